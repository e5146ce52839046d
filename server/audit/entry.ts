import type { AuditEntry } from './audit.ts'
import type { AuditRow } from './canonical.ts'

/** An entry would have told what the audit log must not know. The message names the place, never the value. */
export class AuditRefused extends Error {
  override readonly name = 'AuditRefused'
}

/** Some of it comes from callers: a name of a tool that does not exist may be a megabyte long. */
const LONGEST = 200
const FORBIDDEN_KEY =
  /body|text|caption|content|token|secret|password|pepper|authorization|cookie|phone|recipient|wa_?id|msisdn|profile|username|^(to|from|name)$/i
/** Ids, references and hashes say which, not what; a hash may begin as a token does. */
const HARMLESS_KEY = /(?<!wa)_(id|ids|ref|sha256|count|bytes|class|code)$|(?<!wa)(Id|Ids|Ref|Count|Bytes)$/
const FORBIDDEN_VALUE = /wamcp_live_|\bbearer |(^|[\s=:"])EAA[a-z0-9]{24}|^\+?[1-9]\d{7,14}$/i

/** A row without its place in the chain. */
export type Unchained = Omit<AuditRow, 'id'>

/** Brings an entry into the form of the table. @throws AuditRefused when `detail` holds what must not be kept. */
export function toRow(entry: AuditEntry, now: Date): Unchained {
  return {
    ts: now.toISOString(),
    request_id: clean(entry.requestId),
    client_id: entry.clientId ?? null,
    api_key_id: entry.keyId ?? null,
    transport: entry.transport,
    action: entry.action,
    tool: clean(entry.tool),
    phone_number_id: clean(entry.phoneNumberId),
    outcome: entry.outcome,
    error_class: clean(entry.errorClass),
    error_code: clean(entry.errorCode),
    duration_ms: entry.durationMs === undefined ? null : Math.round(entry.durationMs),
    ip: clean(entry.ip),
    detail: cleanDetail(entry.detail ?? {}),
  }
}

/** As JSON would give it back, so that what is hashed now is what the database will hold. */
function cleanDetail(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(detail)) {
    if (FORBIDDEN_KEY.test(key) && !HARMLESS_KEY.test(key)) {
      throw new AuditRefused(`The audit log keeps no ${clean(key)}: leave it out of detail, or give its id.`)
    }
    if (value !== undefined) kept[key] = cleanValue(key, value)
  }
  return kept
}

function cleanValue(key: string, value: unknown): unknown {
  if (typeof value === 'string') {
    if (FORBIDDEN_VALUE.test(value) && !HARMLESS_KEY.test(key)) {
      throw new AuditRefused(
        `detail.${clean(key)} looks like a token or a phone number: leave it out, or give an id.`,
      )
    }
    return clean(value)
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item, n) => cleanValue(`${n}`, item ?? null))
  if (value instanceof Date) return value.toISOString()
  return cleanDetail(value as Record<string, unknown>)
}

/** Postgres stores neither NUL nor half a surrogate pair. */
function clean(text: string): string
function clean(text: string | undefined): string | null
function clean(text: string | undefined): string | null {
  if (text === undefined) return null
  return text.slice(0, LONGEST).toWellFormed().replaceAll('\0', '�')
}
