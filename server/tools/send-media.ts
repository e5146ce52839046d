import * as z from 'zod'
import { tool } from '../mcp/tool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { safeFilename } from '../media/filename.ts'
import type { MediaKind, StoreRequest } from '../media/media.ts'
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

const source = z
  .strictObject({
    url: z
      .string()
      .max(2048)
      .optional()
      .describe('Public https:// address; fetched by this server, not by WhatsApp.'),
    base64: z
      .string()
      .optional()
      .describe('The bytes, without data: prefix; up to about 700 kB, larger files by url.'),
    media_id: z.uuid().optional().describe('A file that is already stored for the same number.'),
  })
  .describe('Where the file comes from: exactly one of these.')

const input = z.strictObject({
  to: recipientField,
  kind: z.enum(['image', 'video', 'audio', 'document', 'sticker']),
  source,
  caption: z.string().min(1).max(1024).optional().describe('Shown below; not for audio and stickers.'),
  filename: z
    .string()
    .min(1)
    .max(240)
    .optional()
    .describe('Shown for documents; its extension helps to tell the type.'),
  voice: z.boolean().default(false).describe('For audio in Ogg/Opus: show it as a voice note.'),
  reply_to: replyField,
  ...sendFields,
})
type Input = z.infer<typeof input>

/** A file, inside the service window. */
export const sendMedia = ({ outbound, media }: Pick<Services, 'outbound' | 'media'>) =>
  tool({
    name: 'send_media',
    title: 'Send a file',
    description:
      'Sends an image, video, audio, document or sticker to one person, within 24 hours of their last message. The file is ' +
      'checked against what WhatsApp takes before anything is sent. Never repeat a call that ended in outcome_unknown.',
    input,
    output: sendOutput,
    verb: 'send',
    subject: 'number',
    locate: locateRecipient,
    annotations: sendAnnotations,
    run: async (given, context) => {
      checkFields(given)
      const request: StoreRequest = {
        clientId: context.identity.clientId,
        numberId: grantOf(context).number.id,
        kind: given.kind,
        source: given.source,
        filename: given.filename,
        readableNumberIds: readableNumberIds(context),
        signal: context.signal,
      }
      const stored = given.dry_run ? undefined : await media.store(request)
      const { mimeType } = stored ?? (await media.check(request))
      if (given.voice && mimeType !== 'audio/ogg')
        throw invalid('A voice note is Ogg/Opus.', 'Leave voice out.')
      return await submit(outbound, context, {
        tool: 'send_media',
        input: given,
        to: parseRecipient(given.to),
        draft: {
          type: given.kind,
          payload: payloadOf(given, mimeType),
          body: given.caption ?? null,
          ...(stored && { mediaId: stored.id }),
          isTemplate: false,
        },
      })
    },
  })

/** What Graph takes beside the file itself, which the upload adds as `id`. */
function payloadOf({ kind, caption, filename, voice }: Input, mimeType: string) {
  return {
    ...(caption !== undefined && { caption }),
    ...(kind === 'document' && { filename: safeFilename(filename, mimeType, 'document') }),
    ...(voice && { voice: true }),
  }
}

function checkFields({ kind, caption, voice }: Input): void {
  const without: readonly MediaKind[] = ['audio', 'sticker']
  if (caption !== undefined && without.includes(kind)) {
    throw invalid(`caption cannot go with ${kind}.`, 'Send the text with send_message instead.')
  }
  if (voice && kind !== 'audio')
    throw invalid(`voice cannot go with ${kind}.`, 'Use it with kind audio only.')
}

function invalid(message: string, hint: string): ToolError {
  return new ToolError(message, { code: 'invalid_input', category: 'invalid_input', hint })
}
