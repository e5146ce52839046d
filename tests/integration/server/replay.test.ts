import { afterAll, beforeAll, expect, test } from 'vitest'
import { replayEvents } from '../../../server/inbound/replay.ts'
import { addClient, addNumber, type TestNumber } from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'
import { ana, deliver, delivery, field, inboundText, processed, status, wamid } from './payloads.ts'

let harness: Harness
let number: TestNumber

beforeAll(async () => {
  harness = await startHarness()
  number = await addNumber(harness.db.sql, await addClient(harness.db.sql, 'shop'))
})
afterAll(() => harness?.stop())

test('replay puts the deliveries of a stretch of time back; what is there stays, what is missing comes again', async () => {
  const { sql } = harness.db
  const kept = inboundText(ana, 'kept')
  const lost = inboundText({ bsuid: 'US.lost' }, 'lost')
  await deliver(harness, delivery(number, { messages: [kept], statuses: [status(wamid('OUT'), 'sent')] }))
  await deliver(harness, delivery(number, { messages: [lost] }))
  await sql`update webhook_events set received_at = received_at - interval '1 hour' where position('kept'::bytea in body) > 0`
  const before = await sql`select id, created_at from messages where body = 'kept'`
  await sql`delete from messages where body = 'lost'`

  const hourAgo = new Date(Date.now() - 1_800_000)
  expect(await replayEvents(sql, { since: hourAgo })).toBe(1)
  await processed(harness)
  expect(await sql`select body from messages order by created_at`).toEqual([
    { body: 'kept' },
    { body: 'lost' },
  ])
  expect(await replayEvents(sql, { since: new Date(0), until: hourAgo })).toBe(1)
  await processed(harness)
  expect(await sql`select id, created_at from messages where body = 'kept'`).toEqual(before)
  expect(await sql`select 1 from messages`).toHaveLength(2)
})

test('replay does not bring back what a later delivery has changed for the whole account', async () => {
  const { sql } = harness.db
  const limit = (value: string) =>
    field(number.wabaId, 'phone_number_quality_update', {
      display_phone_number: '15550001111',
      max_daily_conversations_per_business: value,
    })
  await deliver(harness, limit('TIER_250'))
  await deliver(harness, limit('TIER_2K'))
  await replayEvents(sql, { since: new Date(0) })
  await processed(harness)
  expect(await sql`select messaging_limit from phone_numbers`).toEqual([{ messaging_limit: 'TIER_2K' }])
})

test('what a delivery did is in the audit, booked to the client, without a word of it', async () => {
  const rows = await harness.db.sql`
    select a.detail, c.name from audit_log a left join clients c on c.id = a.client_id
    where action = 'webhook.processed' order by a.id limit 1`
  expect(rows).toMatchObject([
    { name: 'shop', detail: { messages: 1, duplicates: 0, statuses: 1, parked: 1 } },
  ])
  const [all] = await harness.db.sql`select json_agg(a)::text as text from audit_log a`
  expect(all?.text).not.toMatch(/kept|15550002222/)
})
