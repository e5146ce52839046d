import * as z from 'zod'
import { type ToolContext, tool } from '../mcp/tool.ts'
import type { Media } from '../media/media.ts'
import { fillTemplate } from '../outbound/fill-template.ts'
import { locateRecipient, parseRecipient, recipientField } from './recipient.ts'
import {
  grantOf,
  readableNumberIds,
  replyField,
  sendAnnotations,
  sendFields,
  sendOutput,
  submit,
} from './send-result.ts'
import type { Services } from './services.ts'
import { requireTemplate } from './template-store.ts'

const value = z.string().min(1).max(1024)
const headerMedia = z
  .strictObject({
    kind: z.enum(['image', 'video', 'document']),
    link: z
      .url({ protocol: /^https$/ })
      .optional()
      .describe('Where Meta finds the file.'),
    media_id: z.uuid().optional().describe('A file this server holds, as messages show it.'),
  })
  .refine(({ link, media_id }) => (link === undefined) !== (media_id === undefined), {
    error: 'needs a link or a media_id, and not both',
  })

/** A template Meta has approved, also outside the service window. */
export const sendTemplate = ({ outbound, media }: Pick<Services, 'outbound' | 'media'>) =>
  tool({
    name: 'send_template',
    title: 'Send a template',
    description:
      'Sends an approved template, the only thing that may be sent when a person has not written for 24 hours. list_templates ' +
      'shows what each one needs. You choose the template: none is ever chosen for you.',
    input: z.strictObject({
      to: recipientField,
      name: z.string().min(1).max(512),
      language: z.string().min(2).max(20).describe('As list_templates shows it, such as en_US.'),
      parameters: z
        .record(z.string(), value)
        .default({})
        .describe('Values for the body, by variable: {"1": "Ana"} or {"first_name": "Ana"}.'),
      header_parameter: value.max(60).optional().describe('Value for the variable of a text header.'),
      header_media: headerMedia.optional().describe('File for an image, video or document header.'),
      button_parameters: z
        .record(z.string().regex(/^\d$/), value.max(256))
        .default({})
        .describe('By index of the button, from 0: payload, end of the link, or code.'),
      reply_to: replyField,
      ...sendFields,
    }),
    output: sendOutput,
    verb: 'send',
    subject: 'number',
    locate: locateRecipient,
    annotations: sendAnnotations,
    run: async (input, context) => {
      const { header_media: header, name, language } = input
      const template = await requireTemplate(context.db, grantOf(context).number.wabaId, name, language)
      const { payload, body } = fillTemplate(template, {
        parameters: input.parameters,
        headerParameter: input.header_parameter,
        headerMedia: header,
        buttonParameters: input.button_parameters,
      })
      const mediaId =
        header?.media_id && (await takeHeader(media, context, header.kind, header.media_id, input.dry_run))
      return submit(outbound, context, {
        tool: 'send_template',
        input,
        to: parseRecipient(input.to),
        draft: { type: 'template', payload, body, isTemplate: true, ...(mediaId && { mediaId }) },
      })
    },
  })

async function takeHeader(
  media: Media,
  context: ToolContext,
  kind: 'image' | 'video' | 'document',
  mediaId: string,
  dryRun: boolean,
): Promise<string | undefined> {
  const request = {
    clientId: context.identity.clientId,
    numberId: grantOf(context).number.id,
    kind,
    source: { media_id: mediaId },
    filename: undefined,
    readableNumberIds: readableNumberIds(context),
    signal: context.signal,
  }
  if (!dryRun) return (await media.store(request)).id
  await media.check(request)
  return undefined
}
