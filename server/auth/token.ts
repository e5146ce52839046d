import { createHmac, randomBytes } from 'node:crypto'
import type { Secret } from '../../secrets/secret.ts'

const START = 'wamcp_live_'
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const BODY_LENGTH = 28
const PREFIX_LENGTH = 12
const SHAPE = new RegExp(`^${START}[${ALPHABET}]{${BODY_LENGTH}}$`)

/** A new key: `wamcp_live_` and 28 base-32 characters, 140 random bits. */
export function newToken(): string {
  // 256 is a multiple of 32, so every character is equally likely.
  return START + Array.from(randomBytes(BODY_LENGTH), (byte) => ALPHABET[byte % 32]).join('')
}

/** Whether the text can be one of our keys at all. */
export function isToken(text: string): boolean {
  return SHAPE.test(text)
}

/** The public part by which a key is found: 12 characters of its random body, since the start is the same for all. */
export function prefixOf(token: string): string {
  return token.slice(START.length, START.length + PREFIX_LENGTH)
}

/** What is stored of a key: HMAC-SHA256 of the whole token. Without the pepper, a copy of the table proves nothing. */
export function hashToken(token: string, pepper: Secret): Buffer {
  return createHmac('sha256', pepper.reveal()).update(token).digest()
}
