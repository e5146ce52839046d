import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Desk, type Setup, startDesk } from './desk.ts'
import { addContact, addGrant, addNumber } from './fixtures.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

const sentOf = ({ number }: Pick<Setup, 'number'>) =>
  desk.graph.sent.filter(({ numberId }) => numberId === number.waId)

async function bucket(kind: string, scopeId: string): Promise<number> {
  const [row] = await desk.harness.db.sql<{ count: number }[]>`
    select count from rate_limit_buckets where scope_kind = ${kind} and scope_id = ${scopeId}`
  return row?.count ?? 0
}

/** Brings the counters of today close to a limit. */
async function used(kind: string, scopeId: string, count: number): Promise<void> {
  await desk.harness.db.sql`
    insert into rate_limit_buckets (scope_kind, scope_id, window_start, count)
    values (${kind}, ${scopeId}, date_trunc(${kind === 'number_month' ? 'month' : 'day'}, now(), 'utc'), ${count})`
}

async function idOf(table: 'api_keys' | 'client_phone_grants', { client }: Setup): Promise<string> {
  const { sql } = desk.harness.db
  const [row] = await sql<{ id: string }[]>`select id from ${sql(table)} where client_id = ${client.id}`
  return row?.id ?? ''
}

/** Seconds until the next day (UTC) begins. */
const untilMidnight = () => Math.ceil((86_400_000 - (Date.now() % 86_400_000)) / 1000)

test('D4.5 message 250 of a key’s day goes out, message 251 is refused until midnight (UTC)', async () => {
  const setup = await desk.setUp({ key: { daily: 250 } })
  await used('key_day', await idOf('api_keys', setup), 249)
  expect((await setup.say('the 250th')).output.state).toBe('accepted')
  const { error } = await setup.say('the 251st')
  expect(error).toMatchObject({ code: 'daily_limit_reached', category: 'limit', retryable: true })
  expect(Math.abs(Number(error.retry_after_s) - untilMidnight())).toBeLessThan(5)
  expect(sentOf(setup)).toHaveLength(1)
})

test('D4.5 a grant’s cap lets so many through and refuses the next, exactly, even at the same time', async () => {
  const setup = await desk.setUp({ grant: { cap: 3 } })
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => setup.say(`message ${n}`)))
  expect(answers.filter(({ isError }) => !isError)).toHaveLength(3)
  for (const { error } of answers.filter(({ isError }) => isError))
    expect(error.code).toBe('grant_cap_reached')
  expect(sentOf(setup)).toHaveLength(3)
  expect(await bucket('grant_day', await idOf('client_phone_grants', setup))).toBe(3)
})

test('D4.5 a cap of nothing lets nothing through', async () => {
  const setup = await desk.setUp({ grant: { cap: 0 } })
  expect((await setup.say('hello')).error.code).toBe('grant_cap_reached')
})

test('a refused message counts against no budget and leaves no row', async () => {
  const setup = await desk.setUp({ key: { daily: 5 }, grant: { cap: 5 }, number: { billableCap: 1 } })
  await used('number_month', setup.number.id, 1)
  expect((await setup.say('hello')).error).toMatchObject({ code: 'budget_reached', category: 'limit' })
  expect(await bucket('key_day', await idOf('api_keys', setup))).toBe(0)
  const rows = await desk.harness.db.sql`select 1 from messages where phone_number_id = ${setup.number.id}`
  expect(rows).toHaveLength(0)
})

test('the budget of a number is shared by everybody who sends from it; a reaction is free', async () => {
  const setup = await desk.setUp({ number: { billableCap: 1 } })
  const { output } = await setup.say('the only one this month')
  expect((await setup.say('another')).error.code).toBe('budget_reached')
  expect((await setup.call('react', { message_id: output.message_id, emoji: '👍' })).output.state).toBe(
    'accepted',
  )
})

test('the same key is the same message', async () => {
  const setup = await desk.setUp()
  const first = await setup.say('hello', { idempotency_key: 'order-7' })
  const second = await setup.say('hello', { idempotency_key: 'order-7' })
  expect(second.output).toMatchObject({ message_id: first.output.message_id, wamid: first.output.wamid })
  expect(second.output.warnings).toEqual([expect.stringContaining('not sent twice')])
  expect(sentOf(setup)).toHaveLength(1)
})

test('the same key at the same time is still one message, also from two numbers', async () => {
  const setup = await desk.setUp()
  const args = { idempotency_key: 'at-once' }
  const answers = await Promise.all(Array.from({ length: 8 }, () => setup.say('hello', args)))
  expect(new Set(answers.map(({ output }) => output.message_id)).size).toBe(1)
  expect(sentOf(setup)).toHaveLength(1)
  expect(await bucket('number_month', setup.number.id)).toBe(1)

  const { sql } = desk.harness.db
  const other = await addNumber(sql, setup.client)
  desk.graph.numbers.set(other.waId, other.wabaId)
  await addGrant(sql, setup.client, other)
  const friend = await addContact(sql, other)
  const key = { idempotency_key: 'two-numbers', body: 'hi' }
  const both = await Promise.all([
    setup.call('send_message', { to: setup.contact, ...key }),
    setup.call('send_message', { to: friend, ...key }),
  ])
  expect(both.filter(({ error }) => error.code === 'idempotency_conflict')).toHaveLength(1)
  expect(both.filter(({ isError }) => !isError)).toHaveLength(1)
})

test('a key used for something else is a conflict', async () => {
  const setup = await desk.setUp()
  await setup.say('hello', { idempotency_key: 'k' })
  expect((await setup.say('goodbye', { idempotency_key: 'k' })).error).toMatchObject({
    code: 'idempotency_conflict',
    category: 'conflict',
  })
})

test('another client’s key is not ours', async () => {
  const [mine, theirs] = [await desk.setUp(), await desk.setUp()]
  const [a, b] = [
    await mine.say('hello', { idempotency_key: 'shared' }),
    await theirs.say('hello', { idempotency_key: 'shared' }),
  ]
  expect(a.output.message_id).not.toBe(b.output.message_id)
})

test('without a key, an equal call within the minute is the same message, and the key is told', async () => {
  const setup = await desk.setUp()
  const [first, second] = [await setup.say('hello'), await setup.say('hello')]
  // The minute may turn between the two.
  if (first.output.idempotency_key === second.output.idempotency_key)
    expect(second.output.message_id).toBe(first.output.message_id)
  expect(first.output.idempotency_key).toMatch(/^auto-/)
})
