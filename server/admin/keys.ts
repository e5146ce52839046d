import type { Secret } from '../../secrets/secret.ts'
import { hashToken, newToken, prefixOf } from '../auth/token.ts'
import type { Database } from '../db/pool.ts'
import { checkText } from './clients.ts'
import { AdminError, type Report, UsageError } from './report.ts'
import { table } from './table.ts'

const DAY_MS = 86_400_000
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The token appears on standard error once and is never stored. @throws UsageError; AdminError (later) for an unknown client. */
export function mintKey(o: { client: string; label: string; expires: string | undefined }) {
  checkText('--label', o.label)
  const expires = o.expires === undefined ? null : parseExpiry(o.expires)
  return async (sql: Database, { pepper }: { pepper: Secret }): Promise<Report> => {
    const token = newToken()
    const prefix = prefixOf(token)
    const [row] = await sql<{ id: string }[]>`
      insert into api_keys (client_id, label, prefix, hash, expires_at)
      select id, ${o.label}, ${prefix}, ${hashToken(token, pepper)}, ${expires} from clients where name = ${o.client}
      returning id`
    if (row === undefined)
      throw new AdminError(`There is no client named ${o.client}. Make it first: clients create`)
    return {
      data: { id: row.id, prefix, client: o.client, label: o.label, expires_at: expires },
      text: `${row.id} ${prefix}`,
      aside: `The key below is shown this once and cannot be recovered. Keep it like a password.\n${token}`,
    }
  }
}

interface KeyRow {
  readonly id: string
  readonly client: string
  readonly label: string
  readonly prefix: string
  readonly state: 'live' | 'expired' | 'revoked' | 'disabled'
  readonly expires_at: Date | null
  readonly last_used_at: Date | null
  readonly created_at: Date
}

export function listKeys(o: { client: string | undefined }) {
  return async (sql: Database): Promise<Report> => {
    const rows = await sql<KeyRow[]>`
      select k.id, c.name as client, k.label, k.prefix, k.expires_at, k.last_used_at, k.created_at,
        case when k.revoked_at is not null then 'revoked' when k.expires_at <= now() then 'expired'
          when c.disabled_at is not null then 'disabled' else 'live' end as state
      from api_keys k join clients c on c.id = k.client_id
      where ${o.client ?? null}::text is null or c.name = ${o.client ?? null}
      order by c.name, k.created_at`
    const day = (date: Date | null) => date?.toISOString().slice(0, 10) ?? '-'
    const cells = rows.map((key) => [
      ...[key.id, key.client, key.label, key.prefix, key.state],
      ...[key.created_at, key.expires_at, key.last_used_at].map(day),
    ])
    return {
      data: [...rows],
      text: table(['ID', 'CLIENT', 'LABEL', 'PREFIX', 'STATE', 'CREATED', 'EXPIRES', 'USED'], cells),
    }
  }
}

/** Takes effect in every running server at once. @throws UsageError for a malformed id; AdminError (later) for an unknown one. */
export function revokeKey(o: { id: string }) {
  if (!UUID.test(o.id)) throw new UsageError('keys revoke takes the id of a key, as keys list shows it.')
  return async (sql: Database): Promise<Report> => {
    const [row] = await sql<{ revoked_at: Date }[]>`
      update api_keys set revoked_at = coalesce(revoked_at, now()) where id = ${o.id} returning revoked_at`
    if (row === undefined) throw new AdminError(`There is no key ${o.id}. See keys list.`)
    return {
      data: { id: o.id, revoked_at: row.revoked_at },
      text: `${o.id} revoked since ${row.revoked_at.toISOString()}`,
    }
  }
}

/** `90d`, or an ISO date or moment in the future. @throws UsageError */
export function parseExpiry(text: string, now = Date.now()): Date {
  const days = /^([1-9]\d{0,3})d$/.exec(text)?.[1]
  const date = days
    ? new Date(now + Number(days) * DAY_MS)
    : new Date(/^\d{4}-\d{2}-\d{2}/.test(text) ? text : Number.NaN)
  if (!(date.getTime() > now))
    throw new UsageError('--expires is a number of days such as 90d, or a future date such as 2027-01-31.')
  return date
}
