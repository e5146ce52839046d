import type { Database, Queryable, Transaction } from '../db/pool.ts'
import { type AuditRow, type Head, hashOf } from './canonical.ts'
import type { Unchained } from './entry.ts'

interface HeadRow {
  readonly id: number
  readonly hash: Buffer
}

/** Holds the end of the chain until the transaction ends: nobody else can append meanwhile. */
export async function lockHead(sql: Transaction): Promise<Head> {
  const [head] = await sql<HeadRow[]>`select id::float8 as id, hash from audit_head for update`
  if (head === undefined)
    throw new Error('audit_head is empty. Restore the database; the chain has lost its end.')
  return head
}

/**
 * Continues the chain from `head` by one statement, which is a transaction of its own when `sql` is not one already.
 *
 * @returns The new head; `undefined` when the chain does not end at `head` any more, and nothing was written.
 */
export async function appendAfter(
  sql: Queryable,
  head: Head,
  rows: readonly Unchained[],
): Promise<Head | undefined> {
  let end = head
  const chained = rows.map((unchained) => {
    const row: AuditRow = { id: end.id + 1, ...unchained }
    const link = { prev_hash: end.hash.toString('hex'), hash: hashOf(end.hash, row) }
    end = { id: row.id, hash: link.hash }
    return { ...row, prev_hash: link.prev_hash, hash: link.hash.toString('hex') }
  })
  const written = await sql`
    with moved as (
      update audit_head set id = ${end.id}, hash = ${end.hash} where id = ${head.id} and hash = ${head.hash} returning 1
    )
    insert into audit_log (id, ts, request_id, client_id, api_key_id, transport, action, tool, phone_number_id, outcome,
      error_class, error_code, duration_ms, ip, detail, prev_hash, hash)
    select id, ts, request_id, client_id, api_key_id, transport, action, tool, phone_number_id, outcome,
      error_class, error_code, duration_ms, ip, detail, decode(prev_hash, 'hex'), decode(hash, 'hex')
    from jsonb_to_recordset(${JSON.stringify(chained)}::text::jsonb) as row (
      id bigint, ts timestamptz, request_id text, client_id uuid, api_key_id uuid, transport text, action text, tool text,
      phone_number_id text, outcome text, error_class text, error_code text, duration_ms int, ip text, detail jsonb,
      prev_hash text, hash text)
    where exists (select from moved)`
  return written.count === rows.length ? end : undefined
}

/** Appends within the caller's transaction: the change and its entry are both there, or neither. */
export async function append(sql: Transaction, rows: readonly Unchained[]): Promise<Head> {
  const head = await appendAfter(sql, await lockHead(sql), rows)
  if (head === undefined) throw new Error('audit_head moved although it was locked')
  return head
}

/** The same in a transaction of its own. */
export async function appendAlone(sql: Database, rows: readonly Unchained[]): Promise<Head> {
  return (await sql.begin(async (tx) => ({ head: await append(tx, rows) }))).head
}
