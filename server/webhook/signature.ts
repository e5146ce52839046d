import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../secrets/secret.ts'

const HEADER = /^sha256=([0-9a-f]{64})$/

/**
 * Whether Meta signed these bytes with one of our app secrets.
 * Source of the rule: Meta, Webhooks > "Validate payloads" (`X-Hub-Signature-256`: HMAC-SHA256 over the body, in hex).
 *
 * @param body The bytes as received. Decoding and encoding them again would change escapes and break the signature.
 * @param header `sha256=` and 64 lower-case hex digits; anything else, or none, is false, never an exception.
 * @param secrets Current first, then the previous one while a reset is under way.
 */
export function verifySignature(
  body: Buffer,
  header: string | undefined,
  secrets: readonly Secret[],
): boolean {
  const hex = signatureOf(header)
  if (hex === undefined) return false
  const given = Buffer.from(hex, 'hex')
  return secrets.some((secret) =>
    timingSafeEqual(createHmac('sha256', secret.reveal()).update(body).digest(), given),
  )
}

/** The hex digits of a well-formed header. */
export function signatureOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : HEADER.exec(header)?.[1]
}
