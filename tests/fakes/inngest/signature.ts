import { createHmac } from 'node:crypto'

/** `X-Inngest-Signature` as the Inngest server makes it: over the canonical JSON (RFC 8785) of the body, and the time. */
export function signCall(key: string, body: unknown, at = Math.floor(Date.now() / 1000)): string {
  const signed = `${body === undefined ? '' : canonical(body)}${at}`
  return `t=${at}&s=${createHmac('sha256', key).update(signed).digest('hex')}`
}

/** Enough of RFC 8785 for plain keys. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`)
  return `{${members.join(',')}}`
}
