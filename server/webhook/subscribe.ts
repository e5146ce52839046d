import { createHash, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../secrets/secret.ts'
import { type Handler, HttpError, sendText } from '../http/reply.ts'

/**
 * `GET /webhook/meta`: Meta asks once, when the URL or the token is saved, whether we expect it. The right token gets its
 * challenge back as plain text, anything else 404. Source: Meta, Webhooks > "Verification requests".
 */
export function createSubscribeHandler(verifyToken: Secret): Handler {
  const expected = digest(verifyToken.reveal())
  return ({ query, res }) => {
    const asked = new URLSearchParams(query)
    const challenge = asked.get('hub.challenge')
    // Compared as digests: equal length, so the time tells nothing about the token.
    const known = timingSafeEqual(digest(asked.get('hub.verify_token') ?? ''), expected)
    if (asked.get('hub.mode') !== 'subscribe' || challenge === null || !known)
      throw new HttpError(404, 'not_found')
    sendText(res, 200, challenge)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
