import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Desk, messageRow, startDesk } from './desk.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

const statusOf = async (id: unknown) => (await messageRow(desk.harness, id)).status

test('when Meta is back, what waited for it goes at once, and what waits for another reason does not', async () => {
  const { sql } = desk.harness.db
  // As after many tries.
  const wait = () => sql`update outbox set run_after = now() + interval '50 minutes' where state = 'ready'`
  const [setup, other] = [await desk.setUp(), await desk.setUp()]
  const port = Number(new URL(desk.graph.url).port)
  await desk.graph.stop()
  const missed = await setup.say('nobody was there')
  expect(missed.output).toMatchObject({ state: 'queued' })
  await wait()
  await desk.graph.listen(port)

  desk.graph.behave(({ path }) => (path.includes(other.number.waId) ? { error: 131000 } : undefined))
  const refused = await other.say('Meta said no for now')
  desk.graph.behave(undefined)
  await wait()

  const sent = await setup.say('somebody is there')
  expect(sent.output).toMatchObject({ state: 'accepted' })
  await expect.poll(() => statusOf(missed.output.message_id)).toBe('accepted')
  expect(await statusOf(refused.output.message_id)).toBe('queued')
  expect(desk.graph.sent).toHaveLength(2)
})
