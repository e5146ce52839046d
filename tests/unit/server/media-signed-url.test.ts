import { createHmac, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import {
  DEFAULT_SECONDS,
  LONGEST_SECONDS,
  signTicket,
  verifyTicket,
} from '../../../server/media/signed-url.ts'

const secret = new Secret('5a'.repeat(32))
const NOW = Date.UTC(2026, 10, 21, 12, 0, 0, 500)
const ids = { mediaId: randomUUID(), clientId: randomUUID() }
const sign = (seconds?: number) => signTicket(secret, ids, seconds, NOW)

describe('D6.8 signed media links', () => {
  test('D6.8 a token says what it was made for, and fits the path the proxy lets through', () => {
    const { token, expiresAt } = sign()
    expect(`/media/${token}`).toMatch(/^\/media\/[A-Za-z0-9_-]{8,128}$/)
    expect(verifyTicket(secret, token, NOW)).toEqual({ ...ids, expiresAt })
    expect(expiresAt).toEqual(new Date(Math.floor(NOW / 1000) * 1000 + DEFAULT_SECONDS * 1000))
  })

  test('D6.8 it works up to its end and not at it', () => {
    const { token, expiresAt } = sign(60)
    expect(verifyTicket(secret, token, expiresAt.getTime() - 1)).toBeDefined()
    expect(verifyTicket(secret, token, expiresAt.getTime())).toBeUndefined()
    expect(verifyTicket(secret, signTicket(secret, ids).token)).toBeDefined()
  })

  test('D6.8 another secret, or the same bytes signed for another purpose, are refused', () => {
    const { token } = sign()
    expect(verifyTicket(new Secret('5b'.repeat(32)), token, NOW)).toBeUndefined()
    const body = Buffer.from(token, 'base64url').subarray(0, 36)
    const mac = createHmac('sha256', secret.reveal()).update(body).digest()
    expect(verifyTicket(secret, Buffer.concat([body, mac]).toString('base64url'), NOW)).toBeUndefined()
  })

  test('D6.8 every single changed character is noticed', () => {
    const { token } = sign()
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    for (let at = 0; at < token.length; at += 1) {
      for (const character of alphabet) {
        if (character === token[at]) continue
        const other = token.slice(0, at) + character + token.slice(at + 1)
        expect(verifyTicket(secret, other, NOW), `${at} ${character}`).toBeUndefined()
      }
    }
  })

  test('D6.8 nothing made up is a ticket', () => {
    const { token } = sign()
    for (const other of [
      '',
      'a',
      token.slice(1),
      `${token}A`,
      `${token}=`,
      ` ${token}`,
      `${token}\n`,
      '/'.repeat(91),
    ])
      expect(verifyTicket(secret, other, NOW)).toBeUndefined()
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.base64String(), fc.uint8Array({ minLength: 68, maxLength: 68 })),
        (made) => {
          const text = typeof made === 'string' ? made : Buffer.from(made).toString('base64url')
          expect(verifyTicket(secret, text, NOW)).toBeUndefined()
        },
      ),
    )
  })

  test('D6.8 any two ids survive the way there and back', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.uuid(),
        fc.integer({ min: 1, max: LONGEST_SECONDS }),
        (mediaId, clientId, seconds) => {
          const { token } = signTicket(secret, { mediaId, clientId }, seconds, NOW)
          expect(verifyTicket(secret, token, NOW)).toMatchObject({ mediaId, clientId })
        },
      ),
    )
  })

  test('D6.8 a link lives a quarter of an hour at most', () => {
    expect(sign(LONGEST_SECONDS).token).toHaveLength(91)
    for (const seconds of [0, -1, 1.5, LONGEST_SECONDS + 1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => sign(seconds)).toThrow(RangeError)
  })

  test('D6.8 what is no id cannot be signed', () => {
    for (const mediaId of ['', 'x', ids.mediaId.toUpperCase(), `${ids.mediaId}0`])
      expect(() => signTicket(secret, { ...ids, mediaId })).toThrow(TypeError)
  })
})
