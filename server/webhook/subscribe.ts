import { createHash, timingSafeEqual } from 'node:crypto'
import { type Handler, HttpError, sendText } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'

/**
 * `GET /webhook/meta`: Meta asks once, when the URL or the token is saved, whether we expect it. The right token of any of our
 * apps gets its challenge back as plain text, anything else 404. Source: Meta, Webhooks > "Verification requests".
 */
export function createSubscribeHandler(o: { numbers: Numbers; log: Logger }): Handler {
  return async ({ query, res, requestId: rid }) => {
    const asked = new URLSearchParams(query)
    const challenge = asked.get('hub.challenge')
    const given = digest(asked.get('hub.verify_token') ?? '')
    const apps = await o.numbers.apps().catch((error: unknown) => {
      o.log.error({ rid, err: error }, 'verify_token_not_checked')
      throw new HttpError(503, 'unavailable', { 'retry-after': '5' })
    })
    // Compared as digests: equal length, so the time tells nothing about the token.
    const known = apps.some(
      ({ verifyToken }) => verifyToken && timingSafeEqual(given, digest(verifyToken.reveal())),
    )
    if (asked.get('hub.mode') !== 'subscribe' || challenge === null || !known)
      throw new HttpError(404, 'not_found')
    sendText(res, 200, challenge)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
