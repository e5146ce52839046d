import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditOf, type Desk, messageRow, startDesk } from './desk.ts'
import { delivery, post, status } from './payloads.ts'

/** Meta takes a request and never says a word. */

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

test('silence: the caller is told what is known, Meta’s report settles what it did, and the rest is an honest unknown', async () => {
  const setup = await desk.setUp()
  const { graph, harness } = desk
  const rowOf = (id: unknown) => messageRow(harness, id)
  desk.graph.behave('accept-then-hang', 1)
  const done = await setup.say('accepted, not answered', { wait_s: 1, idempotency_key: 'done' })
  desk.graph.behave('hang', 1)
  const lost = await setup.say('not accepted', { wait_s: 1, idempotency_key: 'lost' })
  for (const { output } of [done, lost]) {
    expect(output).toMatchObject({ state: 'sending', wamid: null })
    expect(output.warnings).toContainEqual(expect.stringContaining('do not send it twice'))
  }

  const [{ wamid = '', callback = '' } = {}] = graph.sent
  expect(callback).toBe(done.output.message_id)
  await post(harness.origin, delivery(setup.number, { statuses: [status(wamid, 'delivered', { callback })] }))
  await expect
    .poll(() => rowOf(done.output.message_id))
    .toMatchObject({ status: 'delivered', wa_message_id: wamid })
  expect((await setup.say('accepted, not answered', { idempotency_key: 'done' })).output.state).toBe(
    'delivered',
  )

  // The connections break at last.
  await graph.stop()
  await expect.poll(() => rowOf(lost.output.message_id)).toMatchObject({ status: 'unknown' })
  expect((await setup.say('not accepted', { idempotency_key: 'lost' })).error.code).toBe('outcome_unknown')
  await expect.poll(() => desk.harness.db.sql`select 1 from outbox where state <> 'done'`).toEqual([])
  expect(await auditOf(harness, setup.number, 'message.unknown')).toMatchObject([
    { detail: { message_id: lost.output.message_id } },
  ])
  expect(await rowOf(done.output.message_id)).toMatchObject({ status: 'delivered', wa_message_id: wamid })
  expect(graph.requests.filter(({ path }) => path.endsWith('/messages'))).toHaveLength(2)
})
