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

/** Bodies in memory at once; a single one may be larger. */
const LARGEST_LOAD = 4 * 1024 * 1024

/**
 * Loads deliveries in the order they came, as many as fit into memory.
 *
 * @returns `later`: ids of those that did not fit. Ids in neither list are too old to be kept.
 */
export async function loadEvents(
  sql: Database,
  ids: readonly number[],
): Promise<{ events: WebhookEvent[]; later: number[] }> {
  // Deliveries older than the table of apps were signed by the only one there was.
  const rows = await sql<(Omit<WebhookEvent, 'body'> & { body: Buffer | null })[]>`
    with sized as (
      select id, sum(octet_length(body)) over (order by id) - octet_length(body) as before
      from webhook_events where id = any(${bigints(ids)}::text::bigint[])
    )
    select e.id::float8 as id, case when before < ${LARGEST_LOAD} then body end as body,
      coalesce(meta_app_id, (select id from meta_apps where name = 'default')) as "appId",
      request_id as "requestId", received_at as "receivedAt", processed_at as "processedAt"
    from sized join webhook_events e on e.id = sized.id order by e.id`
  return {
    events: rows.flatMap(({ body, ...row }) => (body === null ? [] : { body, ...row })),
    later: rows.flatMap(({ body, id }) => (body === null ? id : [])),
  }
}

/** @param error Why nothing could be made of them; null when all went well. */
export async function markProcessed(
  sql: Database,
  ids: readonly number[],
  error: string | null,
): Promise<void> {
  if (ids.length === 0) return
  await sql`update webhook_events set processed_at = now(), error = ${error} where id = any(${bigints(ids)}::text::bigint[])`
}

/** Processing gave up for now; a replay may bring it further. */
export async function markFailed(sql: Database, id: number, error: string): Promise<void> {
  await sql`update webhook_events set error = ${error} where id = ${id}`
}

function bigints(ids: readonly number[]): string {
  return `{${ids.join(',')}}`
}
