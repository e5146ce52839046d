import * as z from 'zod'
import { tool } from '../mcp/tool.ts'
import { locateRecipient, parseRecipient, recipientField } from './recipient.ts'
import { replyField, sendAnnotations, sendFields, sendOutput, submit } from './send-result.ts'
import type { Services } from './services.ts'

/** Free text, inside the service window. */
export const sendMessage = ({ outbound }: Pick<Services, 'outbound'>) =>
  tool({
    name: 'send_message',
    title: 'Send a text message',
    description:
      'Sends text to one person. Works only within 24 hours of their last message; outside of that the error names templates ' +
      'for send_template. Never repeat a call that ended in outcome_unknown.',
    input: z.strictObject({
      to: recipientField,
      body: z.string().min(1).max(4096).describe('The text; WhatsApp formatting such as *bold* works.'),
      preview_url: z.boolean().default(false).describe('Show a preview of the first link.'),
      reply_to: replyField,
      ...sendFields,
    }),
    output: sendOutput,
    verb: 'send',
    subject: 'number',
    locate: locateRecipient,
    annotations: sendAnnotations,
    run: (input, context) =>
      submit(outbound, context, {
        tool: 'send_message',
        input,
        to: parseRecipient(input.to),
        draft: {
          type: 'text',
          payload: { body: input.body, ...(input.preview_url && { preview_url: true }) },
          body: input.body,
          isTemplate: false,
        },
      }),
  })
