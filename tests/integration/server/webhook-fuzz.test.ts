import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addClient, addNumber, type TestNumber } from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'
import { oddDelivery } from './odd-deliveries.ts'
import { ana, delivery, inboundText, post, processed } from './payloads.ts'

let harness: Harness
let number: TestNumber

beforeAll(async () => {
  harness = await startHarness()
  number = await addNumber(harness.db.sql, await addClient(harness.db.sql, 'shop'))
})
afterAll(() => harness?.stop())

test('whatever our app signed is answered with 200, processed at the first try, and stops nothing', async () => {
  await fc.assert(
    fc.asyncProperty(oddDelivery(number.waId, number.wabaId), async (body) => {
      const answer = await post(harness.origin, JSON.stringify(body))
      expect(answer.status).toBe(200)
    }),
    { numRuns: 200 },
  )
  await processed(harness)
  const failed = harness.logs.filter(({ msg, job }) => msg === 'job_failed' && job === 'process-message')
  expect(failed).toEqual([])
  expect(await harness.db.sql`select error from webhook_events where error is not null`).toEqual([])
  await post(harness.origin, delivery(number, { messages: [inboundText(ana, 'still here')] }))
  await processed(harness)
  expect(await harness.db.sql`select 1 from messages where body = 'still here'`).toHaveLength(1)
})

test('whatever comes unsigned, with any header, is refused and never a 5xx', async () => {
  const header = fc.oneof(
    fc.string(),
    fc.stringMatching(/^sha256=[0-9a-f]{64}$/),
    fc.stringMatching(/^sha(1|256)=[0-9a-fA-F]{0,70}$/),
  )
  const printable = header.filter((text) => /^[\x21-\x7e]*$/.test(text))
  await fc.assert(
    fc.asyncProperty(printable, fc.uint8Array(), async (signature, body) => {
      const headers = { 'x-hub-signature-256': signature }
      const answer = await fetch(`${harness.origin}/webhook/meta`, {
        method: 'POST',
        headers,
        body: new Uint8Array(body),
      })
      expect(answer.status).toBe(404)
    }),
  )
})
