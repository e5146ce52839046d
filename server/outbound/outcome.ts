import { setTimeout as delay } from 'node:timers/promises'
import type { Listener } from '../db/listener.ts'
import type { Database, Queryable } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { explainMetaError } from '../meta/explain.ts'

/** What became of a message so far. */
export interface Outcome {
  readonly id: string
  readonly contactId: string
  readonly wamid: string | null
  readonly status: string
  readonly errorCode: number | null
  readonly error: Readonly<Record<string, unknown>> | null
  readonly key: string | null
  readonly hash: Buffer | null
  readonly windowExpiresAt: Date | null
}

/** Notices may be missed while the listener is away. */
const POLL_MS = 1_000

/** By id, or by the key its client gave it. */
export async function readOutcome(
  sql: Queryable,
  by: { readonly id: string } | { readonly clientId: string; readonly key: string },
): Promise<Outcome | undefined> {
  const [row] = await sql<Outcome[]>`
    select m.id, contact_id as "contactId", wa_message_id as wamid, status, error_code as "errorCode", error,
      idempotency_key as key, request_hash as hash, window_expires_at as "windowExpiresAt"
    from messages m join contacts c on c.id = contact_id
    where ${'id' in by ? sql`m.id = ${by.id}` : sql`m.client_id = ${by.clientId} and idempotency_key = ${by.key}`}`
  return row
}

/** Waits until Meta has answered, time is up or nobody waits any more; then says what is known. */
export async function awaitOutcome(o: {
  sql: Database
  listener: Listener
  messageId: string
  waitS: number
  signal: AbortSignal
}): Promise<Outcome> {
  const end = AbortSignal.any([o.signal, AbortSignal.timeout(o.waitS * 1_000)])
  let notice = Promise.withResolvers<void>()
  const unsubscribe = o.listener.on('messages', {
    onNotice: (payload) => {
      if (payload === '' || payload.includes(o.messageId)) notice.resolve()
    },
  })
  try {
    for (;;) {
      const outcome = await readOutcome(o.sql, { id: o.messageId })
      if (outcome === undefined) throw new Error('a message disappeared while it was waited for')
      if (!isUnderWay(outcome) || end.aborted) return outcome
      // Ending early is what the signal is for.
      await Promise.race([notice.promise, delay(POLL_MS, undefined, { signal: end }).catch(() => {})])
      notice = Promise.withResolvers()
    }
  } finally {
    unsubscribe()
  }
}

/** What Meta has put off is not waited for: it takes longer than anybody waits. */
function isUnderWay({ status, errorCode }: Outcome): boolean {
  return status === 'sending' || (status === 'queued' && errorCode === null)
}

/** An outcome that is no success, as an error the model can act on; `undefined` for all others. */
export function failureOf({ id, status, errorCode, error }: Outcome): ToolError | undefined {
  const data = { message_id: id, meta_code: errorCode, details: error?.details ?? null }
  if (status === 'unknown') {
    return new ToolError('Meta gave no answer; the message may or may not have been sent.', {
      code: 'outcome_unknown',
      category: 'unknown_outcome',
      hint: 'Do not send it again yet: get_message shows what became of it as soon as Meta reports.',
      data,
    })
  }
  if (status === 'rejected') {
    return new ToolError('The operator did not approve the message.', {
      code: 'approval_rejected',
      category: 'permission',
      hint: 'Ask the operator before trying something similar.',
      data,
    })
  }
  if (status !== 'failed') return undefined
  const { category, reason, remedy } = explainMetaError(errorCode)
  const code = errorCode === null ? 'send_failed' : `meta_${errorCode}`
  return new ToolError(reason, { code, category, hint: remedy, data })
}
