import * as z from 'zod'

/**
 * Everything the outbox can carry. Ids only: what was said stays in the database, even when a job service outside the host
 * passes the events on.
 */
export const EVENTS = {
  /** A raw delivery of Meta's is stored (`webhook_events.id`). */
  'wa/webhook.received': z.object({ eventId: z.number().int() }),
  /** A row of `messages` is queued. */
  'wa/message.send.requested': z.object({ messageId: z.uuid() }),
  /** A row of `media_objects` waits for its bytes from Meta. */
  'wa/media.download.requested': z.object({ mediaId: z.uuid() }),
  /** Stored media must be with Meta before `messageId` can be sent. */
  'wa/media.upload.requested': z.object({ mediaId: z.uuid(), messageId: z.uuid() }),
  /** Templates of a business account changed, or somebody wants them fresh. */
  'wa/templates.sync.requested': z.object({ wabaId: z.string() }),
} as const

export type EventName = keyof typeof EVENTS
export type EventData<Name extends EventName> = z.infer<(typeof EVENTS)[Name]>
