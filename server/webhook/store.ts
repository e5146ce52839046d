import { hash } from 'node:crypto'
import { gather } from '../db/gather.ts'
import { type Database, within } from '../db/pool.ts'

/** Shorter than Meta's patience, so that it hears our 503 and repeats. */
const DEADLINE_MS = 4_000
/** Deliveries of one statement. */
const TOGETHER = 32

export interface NewDelivery {
  readonly body: Buffer
  /** The app that signed it. */
  readonly appId: string
  readonly requestId: string
}

/**
 * Stores deliveries together with their outbox rows of `wa/webhook.received`, those of the same moment in one statement and so
 * in one commit: the answer to Meta waits for nothing else. Whoever runs the job is told afterwards, by the announcer.
 *
 * @returns a function that resolves once a delivery is on disk: false when the very same bytes were there already. It throws
 *   DatabaseTimeout or the driver's error when the database cannot be asked.
 */
export function createStore(sql: Database): (delivery: NewDelivery) => Promise<boolean> {
  const store = gather((deliveries: readonly NewDelivery[]) => insert(sql, deliveries), TOGETHER)
  return (delivery) => within(DEADLINE_MS, store(delivery))
}

async function insert(sql: Database, deliveries: readonly NewDelivery[]): Promise<boolean[]> {
  const rows = deliveries.map(({ body, appId, requestId }) => ({
    sha256: hash('sha256', body),
    body: body.toString('hex'),
    app: appId,
    request_id: requestId,
  }))
  const stored = await within(
    DEADLINE_MS,
    // One parameter however many there are, so that it is one statement, which Postgres plans once.
    sql<{ sha256: string }[]>`
      with stored as (
        insert into webhook_events (sha256, body, meta_app_id, request_id)
        select decode(sha256, 'hex'), decode(body, 'hex'), app, request_id
        from json_to_recordset(${JSON.stringify(rows)}::text::json) as row (sha256 text, body text, app uuid, request_id text)
        on conflict (sha256) do nothing
        returning id, sha256
      ), emitted as (
        insert into outbox (name, data)
        select 'wa/webhook.received', jsonb_build_object('eventId', id)
        from stored, (select set_config('wa.announce', 'later', true)) quiet
      )
      select encode(sha256, 'hex') as sha256 from stored`,
  )
  const isNew = new Set(stored.map(({ sha256 }) => sha256))
  // Of the same bytes twice in one group only the first is new.
  return rows.map(({ sha256 }) => isNew.delete(sha256))
}
