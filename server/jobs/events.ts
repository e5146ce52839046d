import * as z from 'zod'

/**
 * Everything the outbox can carry. Ids only: what was said stays in the database, even when a job service outside the host
 * passes the events on.
 */
export const EVENTS = {
  'wa/webhook.received': z
    .object({ eventId: z.number().int().describe('`webhook_events.id`') })
    .describe('A delivery of Meta is stored, as it came'),
  'wa/message.send.requested': z
    .object({ messageId: z.uuid().describe('`messages.id`') })
    .describe('A message is queued'),
  'wa/media.download.requested': z
    .object({ mediaId: z.uuid().describe('`media_objects.id`') })
    .describe('A file waits for its bytes from Meta'),
  'wa/media.upload.requested': z
    .object({
      mediaId: z.uuid().describe('`media_objects.id`'),
      messageId: z.uuid().describe('`messages.id`'),
    })
    .describe('Meta must have a stored file before the message can be sent'),
  'wa/templates.sync.requested': z
    .object({ wabaId: z.string().describe("Meta's id of the business account") })
    .describe('Templates of an account changed, or somebody wants them fresh'),
} as const

export type EventName = keyof typeof EVENTS
export type EventData<Name extends EventName> = z.infer<(typeof EVENTS)[Name]>
