import type { Database } from '../db/pool.ts'

/** A stored delivery. */
export interface WebhookEvent {
  readonly id: number
  readonly body: Buffer
  /** The app that signed it. */
  readonly appId: string
  readonly requestId: string | null
  readonly receivedAt: Date
  /** Set when it has been processed before: this is a replay. */
  readonly processedAt: Date | null
}

/** @returns undefined when it is too old to be kept. */
export async function loadEvent(sql: Database, id: number): Promise<WebhookEvent | undefined> {
  // Deliveries older than the table of apps were signed by the only one there was.
  const [row] = await sql<Omit<WebhookEvent, 'id'>[]>`
    select body, coalesce(meta_app_id, (select id from meta_apps where name = 'default')) as "appId",
      request_id as "requestId", received_at as "receivedAt", processed_at as "processedAt"
    from webhook_events where id = ${id}`
  return row && { id, ...row }
}

/** @param error Why nothing could be made of it; null when all went well. */
export async function markProcessed(sql: Database, id: number, error: string | null): Promise<void> {
  await sql`update webhook_events set processed_at = now(), error = ${error} where id = ${id}`
}

/** Processing gave up for now; a replay may bring it further. */
export async function markFailed(sql: Database, id: number, error: string): Promise<void> {
  await sql`update webhook_events set error = ${error} where id = ${id}`
}
