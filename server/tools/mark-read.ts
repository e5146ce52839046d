import * as z from 'zod'
import { tool } from '../mcp/tool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { orRefusal } from '../outbound/refusal.ts'
import { locateMessage, messageField, requireMessage } from './message-ref.ts'
import { grantOf, numberField } from './send-result.ts'
import type { Services } from './services.ts'

/** The blue ticks, and "typing …". */
export const markRead = ({ graph }: Pick<Services, 'graph'>) =>
  tool({
    name: 'mark_read',
    title: 'Mark a message as read',
    description:
      'Shows the person that a message, and all before it, was read. With typing they also see that an answer is being written, ' +
      'for 25 seconds or until it comes; use it only if you will answer.',
    input: z.strictObject({
      message_id: messageField,
      typing: z.boolean().default(false),
      phone_number_id: numberField,
    }),
    output: z.object({ ok: z.literal(true), message_id: z.string() }),
    verb: 'send',
    subject: 'number',
    locate: locateMessage,
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
    run: async ({ message_id, typing }, context) => {
      const { id, wamid, direction } = await requireMessage(context.db, message_id)
      if (direction !== 'inbound' || wamid === null) {
        throw new ToolError('Only messages from a person can be marked as read.', {
          code: 'not_inbound',
          category: 'invalid_input',
          hint: 'Choose an inbound message of get_messages.',
        })
      }
      await orRefusal(graph.markRead(grantOf(context).number, wamid, typing))
      return { ok: true as const, message_id: id }
    },
  })
