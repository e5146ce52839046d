import type { Secret } from '../../secrets/secret.ts'
import type { Queryable } from '../db/pool.ts'
import { duration, future, integer, list, scope, slug, title, uuid } from './checks.ts'
import { type AdminContext, type Command, command } from './command.ts'
import { mintKey, rotateKey } from './key-minting.ts'
import { flag, may, must } from './option.ts'
import { AdminError, type Report } from './report.ts'
import { day, table } from './table.ts'

export { mintKey } from './key-minting.ts'

const DAY_MS = 86_400_000

interface KeyRow {
  readonly id: string
  readonly client: string
  readonly label: string
  readonly prefix: string
  readonly state: 'live' | 'expired' | 'revoked' | 'disabled'
  readonly scopes: readonly string[]
  readonly rpm: number
  readonly daily: number
  readonly rotated_from: string | null
  readonly expires_at: Date | null
  readonly last_used_at: Date | null
  readonly created_at: Date
}

/** Every key of a client, or of all, by prefix; nothing that could be used as one. */
export function listKeys(o: { client: string | undefined }) {
  return async (sql: Queryable): Promise<Report> => {
    const rows = await sql<KeyRow[]>`
      select k.id, c.name as client, k.label, k.prefix, k.scopes, k.rpm_limit as rpm, k.daily_msg_limit as daily,
        k.rotated_from_id as rotated_from, k.expires_at, k.last_used_at, k.created_at,
        case when k.revoked_at is not null then 'revoked' when k.expires_at <= now() then 'expired'
          when c.disabled_at is not null then 'disabled' else 'live' end as state
      from api_keys k join clients c on c.id = k.client_id
      where ${o.client ?? null}::text is null or c.name = ${o.client ?? null}
      order by c.name, k.created_at`
    const cells = rows.map((key) => [
      ...[key.id, key.client, key.label, key.prefix, key.state],
      ...[key.created_at, key.expires_at, key.last_used_at].map(day),
      ...[`${key.rpm}/min ${key.daily}/day`, key.scopes.join(' ') || '-'],
    ])
    const head = [
      'ID',
      'CLIENT',
      'LABEL',
      'PREFIX',
      'STATE',
      'CREATED',
      'EXPIRES',
      'USED',
      'LIMITS',
      'SCOPES',
    ]
    return { data: [...rows], text: table(head, cells) }
  }
}

/** Takes effect in every running server at once. @throws AdminError (later) for an unknown key. */
export function revokeKey(o: { id: string }) {
  return async (sql: Queryable): Promise<Report> => {
    const [row] = await sql<{ client_id: string; revoked_at: Date }[]>`
      update api_keys set revoked_at = coalesce(revoked_at, now()) where id = ${o.id} returning client_id, revoked_at`
    if (row === undefined) throw new AdminError(`There is no key ${o.id}. See keys list.`)
    return {
      data: { id: o.id, revoked_at: row.revoked_at },
      text: `${o.id} revoked since ${row.revoked_at.toISOString()}`,
      audit: { clientId: row.client_id, detail: { key_id: o.id } },
    }
  }
}

/** @throws AdminError when there is no previous pepper. */
function pepperFor({ config }: AdminContext, previous: boolean): Secret {
  if (!previous) return config.pepper
  if (config.previousPepper === undefined)
    throw new AdminError('There is no previous pepper: no rotation is under way.')
  return config.previousPepper.pepper
}

const ID = { placeholder: 'ID', read: uuid }

export const keyCommands: readonly Command[] = [
  command({
    name: 'keys mint',
    summary: 'makes a key and shows it this once, on standard error',
    audited: 'with',
    options: {
      client: must('NAME', 'whose key it is', slug),
      label: must('TEXT', 'where it will be used', title),
      scopes: may(
        'LIST',
        "tools:<tool>, numbers:<Meta's id>, or * for the owner; default: only what needs none",
        list(scope),
      ),
      expires: may('WHEN', '90d, or a date; default: never', future),
      rpm: may('COUNT', 'requests per minute, default 60', integer(1, 100_000)),
      daily: may('COUNT', 'messages per day (UTC), default 250', integer(0, 1_000_000)),
      'previous-pepper': flag(
        'hash it as keys from before the rotation of the pepper are, to see what becomes of those',
      ),
    },
    run: (o) => (context) => mintKey(o)(context.sql, { pepper: pepperFor(context, o['previous-pepper']) }),
  }),
  command({
    name: 'keys list',
    summary: 'shows keys with their state, limits and scopes',
    audited: 'not',
    options: { client: may('NAME', 'only those of one client', slug) },
    run: (o) => (context) => listKeys(o)(context.sql),
  }),
  command({
    name: 'keys revoke',
    summary: 'ends a key at once',
    audited: 'with',
    argument: ID,
    options: {},
    run: (_, id) => (context) => revokeKey({ id })(context.sql),
  }),
  command({
    name: 'keys rotate',
    summary: 'makes a successor with the same rights; the old key works for the grace period',
    audited: 'with',
    argument: ID,
    options: { grace: may('TIME', 'how long both work, default 7d', duration) },
    run:
      ({ grace = 7 * DAY_MS }, id) =>
      (context) =>
        rotateKey({ id, graceMs: grace })(context.sql, context.config),
  }),
]
