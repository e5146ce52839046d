import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../secrets/secret.ts'

/** What a link under `/media/` stands for. */
export interface MediaTicket {
  /** `media_objects.id` */
  readonly mediaId: string
  /** Whose grant is looked at again when the link is followed. */
  readonly clientId: string
  readonly expiresAt: Date
}

/** Seconds a link works unless its maker says otherwise, and at most. */
export const DEFAULT_SECONDS = 600
export const LONGEST_SECONDS = 900

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** Two ids, seconds since 1970, HMAC-SHA256. */
const TICKET_BYTES = 16 + 16 + 4
const TOKEN_BYTES = TICKET_BYTES + 32
const TOKEN = /^[A-Za-z0-9_-]{91}$/

/**
 * The one path segment of a media link: base64url, 91 characters, so that it fits the proxy's pattern
 * `/media/[A-Za-z0-9_-]{8,128}` and no query string carries anything secret.
 *
 * @param seconds Life of the link, 1 to {@link LONGEST_SECONDS}.
 * @throws RangeError for another life, TypeError for an id that is no UUID.
 */
export function signTicket(
  secret: Secret,
  ticket: Pick<MediaTicket, 'mediaId' | 'clientId'>,
  seconds: number = DEFAULT_SECONDS,
  now: number = Date.now(),
): { token: string; expiresAt: Date } {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > LONGEST_SECONDS) {
    throw new RangeError(`seconds must be a whole number from 1 to ${LONGEST_SECONDS}`)
  }
  const expires = Math.floor(now / 1000) + seconds
  const body = Buffer.alloc(TICKET_BYTES)
  bytesOf(ticket.mediaId).copy(body, 0)
  bytesOf(ticket.clientId).copy(body, 16)
  body.writeUInt32BE(expires, 32)
  const token = Buffer.concat([body, macOf(secret, body)]).toString('base64url')
  return { token, expiresAt: new Date(expires * 1000) }
}

/** `undefined` for whatever we did not sign, in exactly this spelling, or signed too long ago. */
export function verifyTicket(
  secret: Secret,
  token: string,
  now: number = Date.now(),
): MediaTicket | undefined {
  if (!TOKEN.test(token)) return undefined
  const bytes = Buffer.from(token, 'base64url')
  // The last character has two spare bits; only one spelling of a link is ours.
  if (bytes.length !== TOKEN_BYTES || bytes.toString('base64url') !== token) return undefined
  const body = bytes.subarray(0, TICKET_BYTES)
  if (!timingSafeEqual(macOf(secret, body), bytes.subarray(TICKET_BYTES))) return undefined
  const expiresAt = new Date(body.readUInt32BE(32) * 1000)
  if (expiresAt.getTime() <= now) return undefined
  return { mediaId: uuidOf(body.subarray(0, 16)), clientId: uuidOf(body.subarray(16, 32)), expiresAt }
}

/** The label keeps these from ever being valid for anything else signed with the same secret. */
function macOf(secret: Secret, body: Buffer): Buffer {
  return createHmac('sha256', secret.reveal()).update('whatsapp-mcp media link 1\0').update(body).digest()
}

function bytesOf(uuid: string): Buffer {
  if (!UUID.test(uuid)) throw new TypeError('an id must be a UUID in lower case')
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
