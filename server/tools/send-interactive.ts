import * as z from 'zod'
import { tool } from '../mcp/tool.ts'
import { composeInteractive } from '../outbound/interactive.ts'
import { locateRecipient, parseRecipient, recipientField } from './recipient.ts'
import { replyField, sendAnnotations, sendFields, sendOutput, submit } from './send-result.ts'
import type { Services } from './services.ts'

const button = z.strictObject({
  id: z.string().min(1).max(256).optional().describe('Comes back with the answer; by default the title.'),
  title: z.string().min(1).max(20),
})
const row = z.strictObject({
  id: z.string().min(1).max(200).optional().describe('Comes back with the answer; by default the title.'),
  title: z.string().min(1).max(24),
  description: z.string().min(1).max(72).optional(),
})
const section = z.strictObject({
  title: z.string().min(1).max(24).optional().describe('Needed where there is more than one section.'),
  rows: z.array(row).min(1).max(10),
})

/** Something to tap: buttons, a list, a link, or "send your location". */
export const sendInteractive = ({ outbound }: Pick<Services, 'outbound'>) =>
  tool({
    name: 'send_interactive',
    title: 'Send buttons, a list or a link',
    description:
      'Sends a message the person answers with a tap. buttons: up to 3; list: up to 10 rows behind one button; cta_url: one ' +
      'link; location_request: asks for their location. Needs an open 24 hour window. The answer comes as a message with ' +
      'selected_id.',
    input: z.strictObject({
      to: recipientField,
      kind: z.enum(['buttons', 'list', 'cta_url', 'location_request']),
      body: z.string().min(1).max(4096).describe('The text; 1024 characters at most unless it is a list.'),
      header: z.string().min(1).max(60).optional(),
      footer: z.string().min(1).max(60).optional(),
      buttons: z.array(button).min(1).max(3).optional().describe('For kind buttons.'),
      sections: z.array(section).min(1).max(10).optional().describe('For kind list; 10 rows in total.'),
      label: z.string().min(1).max(20).optional().describe('For list: what opens it. For cta_url: the link.'),
      url: z
        .url({ protocol: /^https?$/ })
        .max(2000)
        .optional()
        .describe('For kind cta_url.'),
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
        tool: 'send_interactive',
        input,
        to: parseRecipient(input.to),
        draft: {
          type: 'interactive',
          payload: composeInteractive(input),
          body: input.body,
          isTemplate: false,
        },
      }),
  })
