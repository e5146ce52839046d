import type { Queryable } from '../db/pool.ts'
import type { AuditRow } from './canonical.ts'

/** A row with its place in the chain, as it is stored and archived. */
export interface AuditRecord extends AuditRow {
  /** Hexadecimal, as `hash` is. */
  readonly prev_hash: string
  readonly hash: string
}

const PAGE = 2_000

/** Rows with `first ≤ id ≤ last` in the order of the chain, page by page. */
export async function* readRecords(
  sql: Queryable,
  first: number,
  last: number,
): AsyncGenerator<AuditRecord[]> {
  for (let from = first; from <= last; ) {
    const page = await readPage(sql, from, last)
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    from = (page.at(-1)?.id ?? last) + 1
  }
}

async function readPage(sql: Queryable, first: number, last: number): Promise<AuditRecord[]> {
  // As text with all six digits: a Date would hide a change of the last three.
  const rows = await sql<AuditRecord[]>`
    select id::float8 as id, to_char(ts at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as ts, request_id, client_id,
      api_key_id, transport, action, tool, phone_number_id, outcome, error_class, error_code, duration_ms, ip, detail,
      encode(prev_hash, 'hex') as prev_hash, encode(hash, 'hex') as hash
    from audit_log where id between ${first} and ${last} order by id limit ${PAGE}`
  return rows.map((row) => ({ ...row, ts: `${row.ts.replace(/(?<=\.\d{3})000$/, '')}Z` }))
}
