import * as z from 'zod'
import { tool } from '../mcp/tool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { locateMessage, type MessageRef, messageField, requireMessage } from './message-ref.ts'
import { sendAnnotations, sendFields, sendOutput, submit } from './send-result.ts'
import type { Services } from './services.ts'

/** "Reaction messages": Meta refuses older targets. */
const OLDEST_MS = 30 * 86_400_000

/** An emoji on a message. */
export const react = ({ outbound }: Pick<Services, 'outbound'>) =>
  tool({
    name: 'react',
    title: 'React to a message',
    description:
      'Puts an emoji on a message of the last 30 days, or takes ours away again with null. Needs an open 24 hour window.',
    input: z.strictObject({
      message_id: messageField,
      emoji: z
        .string()
        .max(32)
        .regex(/\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u, { error: 'must be one emoji' })
        .nullable()
        .describe('One emoji; null takes the reaction away.'),
      ...sendFields,
    }),
    output: sendOutput,
    verb: 'send',
    subject: 'number',
    locate: locateMessage,
    annotations: sendAnnotations,
    run: async (input, context) => {
      const target = await requireMessage(context.db, input.message_id)
      const emoji = input.emoji ?? ''
      return submit(outbound, context, {
        tool: 'react',
        input,
        to: { conversation_id: target.contactId },
        draft: {
          type: 'reaction',
          payload: { message_id: requireTarget(target), emoji },
          body: emoji === '' ? null : emoji,
          isTemplate: false,
        },
      })
    },
  })

function requireTarget({ wamid, type, createdAt }: MessageRef): string {
  if (wamid !== null && type !== 'reaction' && Date.now() - createdAt.getTime() < OLDEST_MS) return wamid
  throw new ToolError('That message cannot be reacted to.', {
    code: 'reaction_target',
    category: 'invalid_input',
    hint: 'Choose a message of the last 30 days that WhatsApp has and that is no reaction itself.',
  })
}
