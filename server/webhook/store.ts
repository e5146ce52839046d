import { createHash } from 'node:crypto'
import { type Database, within } from '../db/pool.ts'

/** Shorter than Meta's patience, so that it hears our 503 and repeats. */
const DEADLINE_MS = 4_000

/**
 * Stores a delivery together with the outbox row of `wa/webhook.received`, in one statement and so in one round trip: the
 * answer to Meta waits for nothing else. Whoever runs the job is told afterwards, by the announcer.
 *
 * @returns false when the very same bytes are already there.
 * @throws DatabaseTimeout or the driver's error when the database cannot be asked.
 */
export async function storeDelivery(
  sql: Database,
  delivery: { readonly body: Buffer; readonly appId: string; readonly requestId: string },
): Promise<boolean> {
  const { body, appId, requestId } = delivery
  const sha256 = createHash('sha256').update(body).digest()
  const stored = await within(
    DEADLINE_MS,
    sql`
      with stored as (
        insert into webhook_events (sha256, body, meta_app_id, request_id)
        values (${sha256}, ${body}, ${appId}, ${requestId})
        on conflict (sha256) do nothing
        returning id
      ), emitted as (
        insert into outbox (name, data)
        select 'wa/webhook.received', jsonb_build_object('eventId', id)
        from stored, (select set_config('wa.announce', 'later', true)) quiet
      )
      select 1 from stored`,
  )
  return stored.length === 1
}
