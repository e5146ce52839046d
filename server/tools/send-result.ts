import * as z from 'zod'
import type { Grant } from '../auth/grants.ts'
import type { ToolContext } from '../mcp/tool.ts'
import type { Draft, Outbound, Recipient } from '../outbound/outbound.ts'
import { messageField, requireWamid } from './message-ref.ts'

export const numberField = z
  .string()
  .regex(/^\d{5,32}$/)
  .optional()
  .describe("Meta's id of the number to use, as list_numbers shows it; only needed where there are several.")

/** What every tool that sends also takes. */
export const sendFields = {
  phone_number_id: numberField,
  idempotency_key: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      'The same key is the same message, however often you call. Without it, an equal call within the minute is.',
    ),
  dry_run: z.boolean().default(false).describe('Check everything and send nothing.'),
  wait_s: z
    .number()
    .int()
    .min(0)
    .max(25)
    .default(5)
    .describe("Seconds to wait for Meta's answer; the message is sent whether you wait or not."),
}

export const replyField = messageField.optional().describe('A message to quote: its message_id or wamid.')

export const sendOutput = z.object({
  message_id: z.string().nullable(),
  wamid: z.string().nullable(),
  state: z
    .string()
    .describe(
      'dry_run, pending_approval, queued, sending, accepted (Meta has it), sent, delivered, read, played or held',
    ),
  conversation_id: z.string().nullable(),
  window_expires_at: z.string().nullable(),
  idempotency_key: z.string().nullable(),
  warnings: z.array(z.string()),
})

/** A send that is repeated with its key changes nothing, so hosts may retry it. */
export const sendAnnotations = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: true,
}

export interface SendInput {
  readonly idempotency_key?: string | undefined
  readonly dry_run: boolean
  readonly wait_s: number
  readonly reply_to?: string | undefined
}

/** The grant a tool of subject `number` runs under. */
export function grantOf({ grants }: ToolContext): Grant {
  const [grant] = grants
  if (grant === undefined) throw new Error('a tool for one number was called without a grant')
  return grant
}

/** Numbers whose inbound files the call may pass on: who may send need not be allowed to read. */
export function readableNumberIds({ grants }: ToolContext): readonly string[] {
  return grants.filter(({ verbs }) => verbs.includes('read')).map(({ number }) => number.id)
}

/** Sends what a tool has put together. @throws ToolError */
export async function submit(
  outbound: Outbound,
  context: ToolContext,
  o: {
    readonly tool: string
    readonly input: SendInput
    readonly to: Recipient
    readonly draft: Omit<Draft, 'replyToWamid'>
  },
): Promise<z.infer<typeof sendOutput>> {
  const { tool, input, to } = o
  const replyToWamid = input.reply_to && (await requireWamid(context.db, input.reply_to))
  const result = await outbound.send({
    identity: context.identity,
    grant: grantOf(context),
    tool,
    requestId: context.requestId,
    to,
    draft: replyToWamid ? { ...o.draft, replyToWamid } : o.draft,
    idempotencyKey: input.idempotency_key,
    dryRun: input.dry_run,
    waitS: input.wait_s,
    signal: context.signal,
    confirm: context.confirm,
  })
  return { ...result, warnings: [...result.warnings] }
}
