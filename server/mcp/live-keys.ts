import { type Database, within } from '../db/pool.ts'

const DEADLINE_MS = 4_000

/** The scopes of those among these keys that are still good: neither revoked nor expired, their client not disabled. */
export async function findLiveKeys(
  sql: Database,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await within(
    DEADLINE_MS,
    sql<{ id: string; scopes: string[] }[]>`
      select k.id, k.scopes from api_keys k join clients c on c.id = k.client_id
      where k.id in ${sql(keyIds)} and k.revoked_at is null and c.disabled_at is null
        and (k.expires_at is null or k.expires_at > now())`,
  )
  return new Map(rows.map(({ id, scopes }) => [id, scopes]))
}
