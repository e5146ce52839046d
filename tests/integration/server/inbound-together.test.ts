import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadEvents } from '../../../server/inbound/event.ts'
import { addClient, addNumber, type TestNumber } from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'
import { ana, delivery, inboundText, status } from './payloads.ts'

let harness: Harness
let number: TestNumber

beforeAll(async () => {
  harness = await startHarness()
  const client = await addClient(harness.db.sql, 'shop')
  number = await addNumber(harness.db.sql, client)
})
afterAll(() => harness?.stop())

/** Stores deliveries that all become due in the same moment. @returns their ids. */
async function storeTogether(bodies: readonly string[]): Promise<number[]> {
  return await harness.db.sql.begin(async (sql) => {
    const ids: number[] = []
    for (const [n, body] of bodies.entries()) {
      const sha256 = createHash('sha256').update(body).digest()
      const [row] = await sql<{ id: number }[]>`
        insert into webhook_events (sha256, body, meta_app_id, request_id)
        select ${sha256}, ${Buffer.from(body)}, id, ${`request-${n}`} from meta_apps where name = 'default'
        returning id::float8 as id`
      if (row) ids.push(row.id)
    }
    await sql`insert into outbox (name, data) select 'wa/webhook.received', jsonb_build_object('eventId', id::bigint)
      from jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb) as id`
    return ids
  })
}

test('deliveries that wait together keep their order, their request ids and their counts', async () => {
  const messages = Array.from({ length: 120 }, (_, n) => inboundText(ana, `number ${n}`))
  const bodies = messages.map((message) => JSON.stringify(delivery(number, { messages: [message] })))
  // Beside them: nothing anybody could read, the same message once more, and a report about nobody's message.
  const again = JSON.stringify(delivery(number, { messages: [messages[0] ?? {}], statuses: [] }))
  const report = JSON.stringify(delivery(number, { statuses: [status('wamid.OUT.nobody', 'sent')] }))
  const ids = await storeTogether([...bodies, 'not JSON', again, report])

  const open = () => harness.db.sql`select 1 from webhook_events where processed_at is null`
  await expect.poll(open, { timeout: 10_000 }).toHaveLength(0)
  const rows = await harness.db.sql`select body, request_id from messages order by created_at, id`
  expect(rows).toEqual(messages.map((_, n) => ({ body: `number ${n}`, request_id: `request-${n}` })))
  const audited = await harness.db.sql`
    select (detail ->> 'eventId')::float8 as id, outcome, detail - 'eventId' as counts from audit_log
    where action = 'webhook.processed' order by 1`
  const ok = (counts: object) => ({
    outcome: 'ok',
    counts: { messages: 0, statuses: 0, parked: 0, duplicates: 0, ...counts },
  })
  const outcomes = [
    ...messages.map(() => ok({ messages: 1 })),
    { outcome: 'failed', counts: {} },
    ok({ duplicates: 1 }),
    ok({ statuses: 1, parked: 1 }),
  ]
  expect(audited).toEqual(outcomes.map((outcome, n) => ({ id: ids[n], ...outcome })))
  expect(await harness.db.sql`select error from webhook_events where error is not null`).toEqual([
    { error: 'not_understood' },
  ])
})

test('large deliveries are loaded one after the other', async () => {
  const large = ['a', 'b', 'c'].map((letter) => letter.repeat(3 * 1024 * 1024))
  const ids = await storeTogether(large)
  const { events, later } = await loadEvents(harness.db.sql, [...ids, 999_999_999])
  expect(events.map(({ id }) => id)).toEqual(ids.slice(0, 2))
  expect(later).toEqual(ids.slice(2))
})
