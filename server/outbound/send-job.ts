import { setTimeout as delay } from 'node:timers/promises'
import type { Audit } from '../audit/audit.ts'
import type { Job } from '../jobs/job.ts'
import {
  InvalidAccessTokenError,
  NO_CODE,
  NUMBER_THROTTLES,
  noAnswer,
  PAIR_THROTTLE,
} from '../meta/errors.ts'
import { type Graph, MetaError, type SendReceipt } from '../meta/graph.ts'
import { sends } from '../metrics/metrics.ts'
import type { Numbers, PhoneNumber } from '../numbers/numbers.ts'
import type { Ledger, Letter } from './ledger.ts'

/** Tries within one run, for errors that are gone in a moment. */
const QUICK_PAUSES_MS = [250, 500, 1_000]
/** Rounds of up to four POSTs before Meta's "later" counts as no. */
const MOST_ATTEMPTS = 10
const LONGEST_PAUSE_S = 3_600
/** Meta may come and go, and every turn is one of a message's ten. */
const CALL_FORWARD_AT_MOST_EVERY_MS = 60_000
/** Together the ten seconds in which a database restarts. */
const TRIES_TO_WRITE = 20
const WRITE_AGAIN_MS = 500

/**
 * Gives one queued message to Meta, once. What Meta clearly refused for now is tried again; what it may have done is left as
 * `unknown`, for a status of Meta's to resolve.
 */
export function createSendJob(o: {
  ledger: Ledger
  graph: Graph
  numbers: Numbers
  audit: Audit
}): Job<'wa/message.send.requested'> {
  let isOut = false
  let calledForwardAt = Number.NEGATIVE_INFINITY
  return { id: 'send-message', event: 'wa/message.send.requested', retries: 10, concurrency: 10, run }

  async function run({ messageId }: { messageId: string }): Promise<void> {
    const taken = await o.ledger.take(messageId)
    if (taken.is === 'settled' || taken.is === 'held') return
    const { letter } = taken
    const number = await o.numbers.byId(letter.numberId)
    if (number === undefined) throw new Error('a number with messages is not there')
    // Another run got as far as the POST and no further.
    if (taken.is === 'interrupted') return await doubt(letter, number, INTERRUPTED)
    try {
      const receipt = await post(number, bodyOf(letter))
      await insist(() => o.ledger.accepted(letter, receipt))
      sends.inc({ outcome: 'accepted', code: '0' })
      await record('message.sent', 'ok', letter, number)
      await reached()
    } catch (error) {
      if (!(error instanceof MetaError)) throw error
      await refused(letter, number, error)
    }
  }

  async function post(number: PhoneNumber, body: Readonly<Record<string, unknown>>): Promise<SendReceipt> {
    for (const pause of QUICK_PAUSES_MS) {
      try {
        return await o.graph.send(number, body)
      } catch (error) {
        if (!(error instanceof MetaError) || !isMomentary(error)) throw error
        await delay(pause)
      }
    }
    return await o.graph.send(number, body)
  }

  /** Turns were given when nobody knew for how long Meta would be away, and may be an hour ahead. */
  async function reached(): Promise<void> {
    if (!isOut || performance.now() - calledForwardAt < CALL_FORWARD_AT_MOST_EVERY_MS) return
    isOut = false
    calledForwardAt = performance.now()
    await o.ledger.callForward()
  }

  async function refused(letter: Letter, number: PhoneNumber, error: MetaError): Promise<void> {
    if (error.retryClass === 'ambiguous') return await doubt(letter, number, error)
    if (error.retryClass === 'retry' && letter.attempts < MOST_ATTEMPTS) {
      isOut ||= error.code === NO_CODE
      const seconds = pauseOf(error, letter.attempts)
      if (NUMBER_THROTTLES.has(error.code)) await o.ledger.throttled(letter, seconds)
      await o.ledger.postponed(letter, error, seconds)
      sends.inc({ outcome: 'postponed', code: String(error.code) })
      return
    }
    if (error instanceof InvalidAccessTokenError && (await o.ledger.paused(letter, error.message)))
      await record('number.paused', 'failed', letter, number, error)
    await o.ledger.ended(letter, 'failed', error)
    sends.inc({ outcome: 'failed', code: String(error.code) })
    await record('message.failed', 'failed', letter, number, error)
  }

  async function doubt(letter: Letter, number: PhoneNumber, error: MetaError): Promise<void> {
    if (!(await o.ledger.ended(letter, 'unknown', error))) return
    sends.inc({ outcome: 'unknown', code: 'none' })
    await record('message.unknown', 'failed', letter, number, error)
  }

  function record(
    action: string,
    outcome: 'ok' | 'failed',
    letter: Letter,
    number: PhoneNumber,
    error?: MetaError,
  ): Promise<void> {
    return o.audit.record({
      action,
      outcome,
      transport: 'job',
      requestId: letter.requestId ?? undefined,
      clientId: letter.clientId,
      keyId: letter.keyId,
      phoneNumberId: number.waId,
      errorClass: error?.name,
      errorCode: error && error.code >= 0 ? String(error.code) : undefined,
      detail: { message_id: letter.id, type: letter.payload.type, attempt: letter.attempts },
    })
  }
}

/** For what nobody else knows: a database that restarts is waited for. `write` may run again after it has succeeded unheard. */
async function insist(write: () => Promise<void>): Promise<void> {
  for (let tries = 1; tries < TRIES_TO_WRITE; tries += 1) {
    try {
      return await write()
    } catch {
      // The last try says what is wrong.
      await delay(WRITE_AGAIN_MS)
    }
  }
  await write()
}

const INTERRUPTED = noAnswer('the server stopped while it was sending the message', 'ambiguous')

/** A refusal by an overloaded server, or none because nobody was there. Throttling, which says how long, is none of it. */
function isMomentary({ retryClass, retryAfterS, code, httpStatus }: MetaError): boolean {
  const isBusy = httpStatus === null || httpStatus === 429 || httpStatus >= 500
  return retryClass === 'retry' && retryAfterS === null && code !== PAIR_THROTTLE && isBusy
}

/** Seconds until the next try. For too many messages to one person Meta asks for 4^n. */
function pauseOf({ code, retryAfterS }: MetaError, attempts: number): number {
  if (retryAfterS !== null) return retryAfterS
  const base = 4 ** (attempts - 1)
  return Math.min(code === PAIR_THROTTLE ? base : 5 * base, LONGEST_PAUSE_S)
}

/** The body of the POST, whose answer and statuses name the row: Meta echoes `biz_opaque_callback_data`. */
function bodyOf({ id, payload, replyToWamid, waId, bsuid }: Letter): Readonly<Record<string, unknown>> {
  return {
    recipient_type: 'individual',
    ...(waId === null ? { recipient: bsuid } : { to: `+${waId}` }),
    ...payload,
    ...(replyToWamid !== null && { context: { message_id: replyToWamid } }),
    biz_opaque_callback_data: id,
  }
}
