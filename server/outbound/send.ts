import type { Listener } from '../db/listener.ts'
import { lockNumber } from '../db/number-lock.ts'
import type { Database } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { type Addressee, ensureContact, findAddressee } from './addressee.ts'
import { budgetsOf, checkBudgets, spend } from './budget.ts'
import { handOver } from './hand-over.ts'
import { type Fingerprint, fingerprint, requireSame } from './idempotency.ts'
import type { SendRequest, SendResult } from './outbound.ts'
import { awaitOutcome, failureOf, type Outcome, readOutcome } from './outcome.ts'
import { checkPolicy } from './policy.ts'

/** Checks a message, writes it down, and waits a little for what Meta says. @throws ToolError */
export async function send(
  { sql, listener, stopping }: { sql: Database; listener: Listener; stopping: AbortSignal },
  request: SendRequest,
): Promise<SendResult> {
  const { identity, grant, draft, dryRun, waitS } = request
  const signal = AbortSignal.any([request.signal, stopping])
  const print = fingerprint(request)
  const earlier = await readOutcome(sql, { clientId: identity.clientId, key: print.key })
  if (earlier) requireSame(earlier.hash, print)
  let messageId = earlier?.id
  if (messageId === undefined) {
    const to = await findAddressee(sql, grant.number.id, request.to)
    await checkPolicy(sql, { grant, draft, to })
    await checkBudgets(sql, budgets(request))
    if (dryRun) return resultOf(undefined, to, request)
    const status = await approval(request)
    messageId = await sql.begin((tx) => enter(tx, { request, to, print, status }))
  }
  const outcome = await awaitOutcome({ sql, listener, messageId, waitS: dryRun ? 0 : waitS, signal })
  const failure = failureOf(outcome)
  if (failure) throw failure
  return resultOf(outcome, outcome, request, earlier !== undefined)
}

function budgets({ identity, grant, draft }: SendRequest) {
  return budgetsOf(identity, grant, draft.type !== 'reaction')
}

/** Asked before anything is written: in the stateless era the call ends in the question, and comes again with the answer. */
async function approval({ grant, to, draft, confirm }: SendRequest): Promise<'queued' | 'pending_approval'> {
  if (grant.sendPolicy !== 'approval') return 'queued'
  if (!grant.approveInClient) return 'pending_approval'
  const detail = {
    from: grant.number.label,
    to: Object.values(to).join(),
    type: draft.type,
    text: draft.body,
  }
  const answer = await confirm('Send this WhatsApp message?', detail)
  if (answer === 'yes') return 'queued'
  if (answer === 'unavailable') return 'pending_approval'
  throw new ToolError('The person at the client did not approve the message; nothing was sent.', {
    code: 'approval_declined',
    category: 'permission',
    hint: 'Ask the person what to change.',
  })
}

/** Row, counters and event, or none of them. @returns `messages.id`; of the earlier row where the key was taken meanwhile. */
async function enter(
  tx: Parameters<Parameters<Database['begin']>[1]>[0],
  o: { request: SendRequest; to: Addressee; print: Fingerprint; status: 'queued' | 'pending_approval' },
): Promise<string> {
  const { identity, grant, draft, requestId } = o.request
  const numberId = grant.number.id
  await lockNumber(tx, numberId)
  const contactId = await ensureContact(tx, numberId, o.to)
  const payload = JSON.stringify({ type: draft.type, [draft.type]: draft.payload })
  const [row] = await tx<{ id: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, api_key_id, direction, message_type, body, payload,
      reply_to_wamid, media_object_id, status, idempotency_key, request_hash, request_id)
    values (${numberId}, ${contactId}, ${identity.clientId}, ${identity.keyId}, 'outbound', ${draft.type}, ${draft.body},
      ${payload}::text::jsonb, ${draft.replyToWamid ?? null}, ${draft.mediaId ?? null}, ${o.status},
      ${o.print.key}, ${o.print.hash}, ${requestId})
    on conflict (client_id, idempotency_key) where idempotency_key is not null do nothing
    returning id`
  if (row === undefined) {
    const earlier = await readOutcome(tx, { clientId: identity.clientId, key: o.print.key })
    requireSame(earlier?.hash ?? null, o.print)
    return earlier?.id ?? ''
  }
  await tx`update contacts set last_message_at = clock_timestamp() where id = ${contactId}`
  await spend(tx, budgets(o.request))
  if (o.status === 'queued') await handOver(tx, row.id)
  return row.id
}

function resultOf(
  outcome: Outcome | undefined,
  { contactId, windowExpiresAt }: Pick<Addressee, 'contactId' | 'windowExpiresAt'>,
  request: SendRequest,
  isRepeat = false,
): SendResult {
  return {
    message_id: outcome?.id ?? null,
    wamid: outcome?.wamid ?? null,
    state: outcome?.status ?? 'dry_run',
    conversation_id: contactId,
    window_expires_at: windowExpiresAt?.toISOString() ?? null,
    idempotency_key: outcome?.key ?? request.idempotencyKey ?? null,
    warnings: [
      ...(isRepeat ? ['This is the same request as an earlier one; it was not sent twice.'] : []),
      ...WARNINGS.flatMap(([state, warning]) => (state === stateOf(outcome) ? [warning] : [])),
      ...(outcome?.status === 'queued' && outcome.errorCode !== null
        ? [`Meta refused it for now (code ${outcome.errorCode}); it is tried again by itself.`]
        : []),
      ...(request.dryRun && outcome === undefined && request.grant.sendPolicy === 'approval'
        ? ['It would wait for approval.']
        : []),
    ],
  }
}

/** What Meta holds back has its id; what has none waits here, since a restore. */
function stateOf(outcome: Outcome | undefined): string | undefined {
  return outcome?.status === 'held' && outcome.wamid === null ? 'held_here' : outcome?.status
}

const WARNINGS: readonly [state: string, warning: string][] = [
  ['pending_approval', 'It waits for the operator to approve it; do not send it again.'],
  ['queued', 'It is not with Meta yet; look again with get_message and do not send it twice.'],
  ['sending', 'Meta has not answered yet; look again with get_message and do not send it twice.'],
  [
    'held_here',
    'It waited to be sent when the database was restored from a backup; the operator decides whether it still is. Do not send it again.',
  ],
  ['held', 'Meta holds it back while it assesses the quality of the template.'],
]
