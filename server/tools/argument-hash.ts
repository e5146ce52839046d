import { hash } from 'node:crypto'

/** SHA-256, in hex, of the JSON with its keys in order: the same arguments have the same hash, however they were written. */
export function argumentHash(args: unknown): string {
  const json = JSON.stringify(args, (_, value: unknown) => (isRecord(value) ? sorted(value) : value))
  return hash('sha256', json)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** By code unit, as RFC 8785 §3.2.3 sorts. */
function sorted(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
