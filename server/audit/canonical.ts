import { hash } from 'node:crypto'

/** A row of `audit_log` without its two hashes, as it is hashed and archived. */
export interface AuditRow {
  /** Counts from 1, without gaps. */
  readonly id: number
  /** `2027-01-31T12:00:00.000Z`: UTC, milliseconds. */
  readonly ts: string
  readonly request_id: string | null
  readonly client_id: string | null
  readonly api_key_id: string | null
  readonly transport: string
  readonly action: string
  readonly tool: string | null
  readonly phone_number_id: string | null
  readonly outcome: string
  readonly error_class: string | null
  readonly error_code: string | null
  readonly duration_ms: number | null
  readonly ip: string | null
  readonly detail: Readonly<Record<string, unknown>>
}

/** The end of the chain: its last row, or {@link GENESIS}. */
export interface Head {
  readonly id: number
  readonly hash: Buffer
}

/** What the first row continues from: id 0 and 32 zero bytes. */
export const GENESIS: Head = { id: 0, hash: Buffer.alloc(32) }

/**
 * The JSON Canonicalization Scheme of RFC 8785: no blanks, keys sorted by UTF-16 code units, strings and numbers as
 * ECMAScript writes them.
 *
 * @param value What `JSON.parse` can give: no `undefined`, no cycles.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
  return `{${members.join(',')}}`
}

/**
 * `hash` of a row: SHA-256 over the 32 raw bytes of the previous row's hash, followed by the UTF-8 bytes of the row as
 * canonical JSON (RFC 8785). The row has exactly the members of {@link AuditRow}; what is absent is `null`, not left out.
 * With that, anybody can check an exported file with any library that knows RFC 8785.
 */
export function hashOf(previous: Buffer, row: AuditRow): Buffer {
  return hash('sha256', Buffer.concat([previous, Buffer.from(canonicalRow(row))]), 'buffer')
}

const MEMBERS = [
  ...['action', 'api_key_id', 'client_id', 'detail', 'duration_ms', 'error_class', 'error_code', 'id', 'ip'],
  ...['outcome', 'phone_number_id', 'request_id', 'tool', 'transport', 'ts'],
] as const as readonly (keyof AuditRow)[]

/** What {@link canonicalJson} makes of it; the order is the same each time and need not be found for every call of a tool. */
function canonicalRow(row: AuditRow): string {
  let members = ''
  for (const name of MEMBERS) members += `${members && ','}"${name}":${canonicalJson(row[name])}`
  return `{${members}}`
}
