import type { Secret } from '../../secrets/secret.ts'
import { hashToken, newToken, prefixOf } from '../auth/token.ts'
import type { Queryable } from '../db/pool.ts'
import { future } from './checks.ts'
import { findClient } from './find.ts'
import { AdminError, type Report } from './report.ts'

interface Minting {
  readonly client: string
  readonly label: string
  readonly scopes?: readonly string[] | undefined
  /** A moment, or text as the command line takes it. */
  readonly expires?: Date | string | undefined
  readonly rpm?: number | undefined
  readonly daily?: number | undefined
}

/**
 * The token appears on standard error once and is never stored.
 *
 * @throws UsageError for a malformed expiry; AdminError (later) for an unknown client, or a wildcard for one that is not the owner.
 */
export function mintKey(o: Minting) {
  const expires = typeof o.expires === 'string' ? future(o.expires, '--expires') : (o.expires ?? null)
  const scopes = o.scopes ?? []
  return async (sql: Queryable, { pepper }: { pepper: Secret }): Promise<Report> => {
    const client = await findClient(sql, o.client)
    if (scopes.includes('*') && !client.is_owner) {
      throw new AdminError(
        `Only the owner may have the scope *. Name what ${o.client} needs: --scopes tools:send_message,…`,
      )
    }
    const token = newToken()
    const prefix = prefixOf(token)
    const [row] = await sql<{ id: string }[]>`
      insert into api_keys (client_id, label, prefix, hash, expires_at, scopes, rpm_limit, daily_msg_limit)
      values (${client.id}, ${o.label}, ${prefix}, ${hashToken(token, pepper)}, ${expires},
        ${JSON.stringify(scopes)}::text::jsonb, ${o.rpm ?? 60}, ${o.daily ?? 250})
      returning id`
    const id = row?.id ?? ''
    return shownOnce(token, {
      data: { id, prefix, client: o.client, label: o.label, scopes, expires_at: expires },
      text: `${id} ${prefix}`,
      audit: { clientId: client.id, detail: { key_id: id, scopes } },
    })
  }
}

/**
 * A successor with the label, scopes and limits of the old key, which ends with the grace period, or at its own expiry when
 * that comes first. A key with a limited life gets a successor with the same length of life.
 *
 * @throws AdminError (later) when there is no such live key.
 */
export function rotateKey(o: { id: string; graceMs: number }) {
  return async (sql: Queryable, { pepper }: { pepper: Secret }): Promise<Report> => {
    const token = newToken()
    const prefix = prefixOf(token)
    const [row] = await sql<
      { id: string; client_id: string; expires_at: Date | null; old_expires_at: Date }[]
    >`
      with old as (
        select * from api_keys where id = ${o.id} and revoked_at is null and (expires_at is null or expires_at > now()) for update
      ), ending as (
        update api_keys k set expires_at = least(old.expires_at, now() + make_interval(secs => ${o.graceMs / 1000}))
        from old where k.id = old.id returning k.expires_at
      ), successor as (
        insert into api_keys
          (client_id, label, prefix, hash, scopes, rpm_limit, daily_msg_limit, rotated_from_id, expires_at)
        select client_id, label, ${prefix}, ${hashToken(token, pepper)}, scopes, rpm_limit, daily_msg_limit, id,
          now() + (expires_at - created_at)
        from old returning id, client_id, expires_at
      )
      select successor.*, ending.expires_at as old_expires_at from successor, ending`
    if (row === undefined)
      throw new AdminError(`There is no live key ${o.id}. See keys list; mint a new one: keys mint`)
    const { id, client_id, expires_at, old_expires_at } = row
    return shownOnce(token, {
      data: { id, prefix, rotated_from: o.id, expires_at, old_expires_at },
      text: `${id} ${prefix}\n${o.id} works until ${old_expires_at.toISOString()}`,
      audit: { clientId: client_id, detail: { key_id: id, rotated_from_id: o.id } },
    })
  }
}

function shownOnce(token: string, report: Report): Report {
  const warning = 'The key below is shown this once and cannot be recovered. Keep it like a password.'
  return { ...report, aside: `${warning}\n${token}` }
}
