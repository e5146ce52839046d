import { lockNumber } from '../db/number-lock.ts'
import type { Database, Queryable } from '../db/pool.ts'
import { adoptParkedStatuses } from '../inbound/statuses.ts'
import { emit } from '../jobs/emit.ts'
import type { MetaError, SendReceipt } from '../meta/graph.ts'
import { pauseNumber } from '../numbers/pause.ts'
import { learnIdentity } from './addressee.ts'

/** A message on its way to Meta. */
export interface Letter {
  readonly id: string
  /** `phone_numbers.id` */
  readonly numberId: string
  readonly contactId: string
  readonly clientId: string
  readonly keyId: string | null
  readonly requestId: string | null
  /** POSTs so far, this one included. */
  readonly attempts: number
  /** `{ type, [type]: … }` */
  readonly payload: Readonly<Record<string, unknown>>
  readonly replyToWamid: string | null
  readonly waId: string | null
  readonly bsuid: string | null
}

/** What {@link Ledger.take} found. */
export type Taken =
  | { readonly is: 'taken' | 'interrupted'; readonly letter: Letter }
  /** To be asked for again then. */
  | { readonly is: 'held' }
  /** Sent, given up or decided otherwise by somebody else. */
  | { readonly is: 'settled' }

interface Entry extends Letter {
  readonly status: string
  readonly heldUntil: Date | null
}

/** How often a paused number is looked at again. */
const PAUSE_S = 60

/** Every change of an outbound row on its way to Meta. Each method is one transaction. */
export class Ledger {
  readonly #sql: Database

  constructor(sql: Database) {
    this.#sql = sql
  }

  /** Marks a queued message as being sent, unless its number waits. Committed before anything goes to Meta. */
  take(messageId: string): Promise<Taken> {
    return this.#sql.begin(async (tx): Promise<Taken> => {
      const [entry] = await tx<Entry[]>`
        select m.id, m.phone_number_id as "numberId", contact_id as "contactId", m.client_id as "clientId",
          api_key_id as "keyId", request_id as "requestId", attempts, payload, reply_to_wamid as "replyToWamid",
          c.wa_id as "waId", c.bsuid, m.status,
          case when n.paused_at is not null or n.disabled_at is not null then now() + make_interval(secs => ${PAUSE_S})
            when n.throttled_until > now() then n.throttled_until end as "heldUntil"
        from messages m join phone_numbers n on n.id = m.phone_number_id join contacts c on c.id = contact_id
        where m.id = ${messageId} for update of m`
      if (entry?.status === 'sending') return { is: 'interrupted', letter: entry }
      if (entry?.status !== 'queued') return { is: 'settled' }
      if (entry.heldUntil !== null) {
        await emit(
          tx,
          'wa/message.send.requested',
          { messageId },
          { key: entry.numberId, runAfter: entry.heldUntil },
        )
        return { is: 'held' }
      }
      await tx`
        update messages set status = 'sending', attempts = attempts + 1, updated_at = now() where id = ${messageId}`
      return { is: 'taken', letter: { ...entry, attempts: entry.attempts + 1 } }
    })
  }

  /** Meta has it. A status may have been quicker than this and is not taken back. */
  async accepted(letter: Letter, receipt: SendReceipt): Promise<void> {
    const { id, numberId, contactId } = letter
    const status =
      receipt.messageStatus === null || receipt.messageStatus === 'accepted' ? 'accepted' : 'held'
    await this.#sql.begin(async (tx) => {
      await lockNumber(tx, numberId)
      await tx`
        update messages set wa_message_id = coalesce(wa_message_id, ${receipt.wamid}),
          status = case when status in ('queued', 'sending', 'unknown') then ${status} else status end,
          error_code = case when status in ('queued', 'sending', 'unknown') then null else error_code end,
          error = case when status in ('queued', 'sending', 'unknown') then null else error end, updated_at = now()
        where id = ${id}`
      await learnIdentity(tx, numberId, contactId, receipt)
      await adoptParkedStatuses(tx, { messageId: id, numberId, wamid: receipt.wamid })
    })
  }

  /** Meta refused it for now: it waits in the queue for its next turn. */
  async postponed({ id, numberId }: Letter, error: MetaError, seconds: number): Promise<void> {
    const runAfter = new Date(Date.now() + seconds * 1_000)
    await this.#sql.begin(async (tx) => {
      await this.#settle(tx, id, 'queued', error)
      await emit(tx, 'wa/message.send.requested', { messageId: id }, { key: numberId, runAfter })
    })
  }

  /** Gives a turn now to all that wait because Meta could not be reached, or had no answer of its own. */
  async callForward(): Promise<void> {
    await this.#sql`
      update outbox set run_after = now()
      where name = 'wa/message.send.requested' and state = 'ready' and leased_until is null and run_after > now()
        and exists (
          select from messages m
          where m.id = (data->>'messageId')::uuid and status = 'queued' and m.error is not null and error_code is null)`
  }

  /** Lets every message of the number wait. */
  async throttled({ numberId }: Letter, seconds: number): Promise<void> {
    await this.#sql`
      update phone_numbers set throttled_until = greatest(throttled_until, now() + make_interval(secs => ${seconds}))
      where id = ${numberId}`
  }

  /** @returns whether the number was not paused before. */
  paused({ numberId }: Letter, reason: string): Promise<boolean> {
    return pauseNumber(this.#sql, numberId, reason)
  }

  /** Ends in `failed`, or `unknown` where Meta may have sent it. @returns false when Meta has reported what became of it. */
  ended({ id }: Letter, status: 'failed' | 'unknown', error: MetaError): Promise<boolean> {
    return this.#settle(this.#sql, id, status, error)
  }

  async #settle(sql: Queryable, id: string, status: string, error: MetaError): Promise<boolean> {
    const { message, details, subcode, fbtraceId } = error
    const told = JSON.stringify({ title: message, details, subcode, fbtrace_id: fbtraceId })
    // A status of Meta's that came meanwhile knows better.
    const settled = await sql`
      update messages set status = ${status}, error_code = ${error.code < 0 ? null : error.code},
        error = ${told}::text::jsonb, updated_at = now()
      where id = ${id} and status = 'sending' returning 1`
    return settled.length > 0
  }
}
