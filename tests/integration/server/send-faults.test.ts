import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Behaviour } from '../../fakes/graph/behaviour.ts'
import { auditOf, type Desk, messageRow, type Setup, startDesk } from './desk.ts'
import { addContact, addGrant, addNumber } from './fixtures.ts'
import { delivery, post, status } from './payloads.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterEach(() => desk.graph.behave(undefined))
afterAll(() => desk?.stop())

/** Sends Meta got for a number, refused ones included. */
const postsOf = ({ number }: Pick<Setup, 'number'>) =>
  desk.graph.requests.filter(({ path }) => path === `/${number.waId}/messages`)
const sentOf = ({ number }: Pick<Setup, 'number'>) =>
  desk.graph.sent.filter(({ numberId }) => numberId === number.waId)
const statusOf = async (id: unknown) => (await messageRow(desk.harness, id)).status

/** Only requests of one number go wrong, so that tests do not meet. */
function failFor({ number }: Pick<Setup, 'number'>, behaviour: Behaviour, times?: number): void {
  desk.graph.behave(({ path }) => (path.includes(number.waId) ? behaviour : undefined), times)
}

/** Makes everything of the number due now. */
async function hurry({ number }: Pick<Setup, 'number'>): Promise<void> {
  const { sql } = desk.harness.db
  await sql`update phone_numbers set throttled_until = null where id = ${number.id}`
  await sql`update outbox set run_after = now() where concurrency_key = ${number.id} and state = 'ready'`
  await sql`select pg_notify('outbox', '')`
}

test('D2.6 a 5xx is tried again after 250, 500 and 1000 ms; then Meta’s error is the outcome', async () => {
  const setup = await desk.setUp()
  failFor(setup, { error: 131000 })
  const { output } = await setup.say('hello')
  expect(output).toMatchObject({ state: 'queued' })
  expect(output.warnings).toContainEqual(expect.stringContaining('131000'))
  const times = postsOf(setup).map(({ at }) => at)
  expect(times).toHaveLength(4)
  const gaps = times.slice(1).map((at, n) => at - (times[n] ?? 0))
  for (const [n, least] of [249, 499, 999].entries()) expect(gaps[n]).toBeGreaterThanOrEqual(least)
  // Later tries are spread over an hour; this makes the next one the last.
  await desk.harness.db.sql`update messages set attempts = 9 where id = ${String(output.message_id)}`
  await hurry(setup)
  await expect.poll(() => statusOf(output.message_id), { timeout: 10_000 }).toBe('failed')
  expect((await setup.say('hello', { idempotency_key: String(output.idempotency_key) })).error).toMatchObject(
    {
      code: 'meta_131000',
    },
  )
  expect(await auditOf(desk.harness, setup.number, 'message.failed')).toMatchObject([
    { error_class: 'MetaError', error_code: '131000' },
  ])
})

test('D2.6 one that passes within those tries is not noticed', async () => {
  const setup = await desk.setUp()
  failFor(setup, { error: 131016 }, 2)
  expect((await setup.say('hello')).output).toMatchObject({ state: 'accepted', warnings: [] })
  expect(sentOf(setup)).toHaveLength(1)
})

test('a slow answer is waited for', async () => {
  const setup = await desk.setUp()
  failFor(setup, { slow: 700 }, 1)
  const early = await setup.say('hello', { wait_s: 0, idempotency_key: 'slow' })
  expect(early.output.state).toMatch(/^(queued|sending)$/)
  expect((await setup.say('hello', { idempotency_key: 'slow' })).output.state).toBe('accepted')
  expect(sentOf(setup)).toHaveLength(1)
})

test.each([
  ['HTML from a proxy', 'html-502', 0],
  ['a reset before the body was read', 'reset-before-body', 0],
  ['a reset after the body was read', 'reset-after-body', 0],
  ['a reset after Meta accepted it', 'accept-then-reset', 1],
] as const)('%s leaves an honest unknown, and nothing is sent twice', async (_, behaviour, sent) => {
  const setup = await desk.setUp()
  // The cut of an unread request cannot be told by its path.
  if (behaviour === 'reset-before-body') desk.graph.behave(behaviour, 1)
  else failFor(setup, behaviour, 1)
  const { error } = await setup.say('hello', { idempotency_key: 'mine' })
  expect(error).toMatchObject({ code: 'outcome_unknown', category: 'unknown_outcome', retryable: false })
  expect(await statusOf(error.message_id)).toBe('unknown')
  expect((await setup.say('hello', { idempotency_key: 'mine' })).error.code).toBe('outcome_unknown')
  expect(sentOf(setup)).toHaveLength(sent)
  expect(await auditOf(desk.harness, setup.number, 'message.unknown')).toHaveLength(1)
})

test('a status that names our row settles an unknown', async () => {
  const setup = await desk.setUp()
  failFor(setup, 'accept-then-reset', 1)
  const { error } = await setup.say('hello')
  const [{ wamid = '', callback = '' } = {}] = sentOf(setup)
  expect(callback).toBe(error.message_id)
  await post(
    desk.harness.origin,
    delivery(setup.number, { statuses: [status(wamid, 'delivered', { callback })] }),
  )
  await expect
    .poll(() => messageRow(desk.harness, error.message_id))
    .toMatchObject({
      status: 'delivered',
      wa_message_id: wamid,
      error: null,
    })
})

test.each([130429, 80007, 4])('throttled by %i, the whole number waits, and then goes on', async (code) => {
  const setup = await desk.setUp()
  failFor(setup, { error: code }, 1)
  const first = await setup.say('one', { wait_s: 1 })
  expect(first.output).toMatchObject({ state: 'queued' })
  expect(await messageRow(desk.harness, first.output.message_id)).toMatchObject({ error_code: code })
  const second = await setup.say('two', { wait_s: 0 })
  const waiting = () => desk.harness.db.sql`
    select 1 from outbox where concurrency_key = ${setup.number.id} and state = 'ready' and run_after > now() + interval '1 second'`
  await expect.poll(async () => (await waiting()).length).toBe(2)
  expect(postsOf(setup)).toHaveLength(1)
  await hurry(setup)
  for (const { output } of [first, second])
    await expect.poll(() => statusOf(output.message_id)).toBe('accepted')
  expect(await messageRow(desk.harness, first.output.message_id)).toMatchObject({
    error_code: null,
    attempts: 2,
  })
  expect(sentOf(setup)).toHaveLength(2)
})

test('too many messages to one person (131056) hold up that person only, 4^n seconds', async () => {
  const setup = await desk.setUp()
  const other = await addContact(desk.harness.db.sql, setup.number)
  failFor(setup, { error: 131056 }, 2)
  const { output } = await setup.say('one', { wait_s: 0 })
  await expect
    .poll(() => messageRow(desk.harness, output.message_id))
    .toMatchObject({ status: 'queued', attempts: 1 })
  await hurry(setup)
  await expect
    .poll(() => messageRow(desk.harness, output.message_id))
    .toMatchObject({ status: 'queued', attempts: 2 })
  // The row goes back to its queue after the message did.
  const due = async () => {
    const [row] = await desk.harness.db.sql<{ seconds: number }[]>`
      select extract(epoch from run_after - now())::float8 as seconds from outbox
      where concurrency_key = ${setup.number.id} and state = 'ready' and leased_until is null`
    return row?.seconds
  }
  await expect.poll(due).toBeGreaterThan(2)
  expect(await due()).toBeLessThanOrEqual(4)
  expect((await setup.call('send_message', { to: other, body: 'two' })).output.state).toBe('accepted')
})

test('a refused token (190) pauses its number only; what is queued waits for the operator', async () => {
  const setup = await desk.setUp()
  const { sql } = desk.harness.db
  const healthy = await addNumber(sql, setup.client, { wabaId: setup.number.wabaId })
  desk.graph.numbers.set(healthy.waId, healthy.wabaId)
  await addGrant(sql, setup.client, healthy)
  const friend = await addContact(sql, healthy)
  failFor(setup, { error: 190 })
  expect((await setup.say('one')).error).toMatchObject({ code: 'meta_190', category: 'account' })
  expect(await auditOf(desk.harness, setup.number, 'number.paused')).toMatchObject([{ error_code: '190' }])
  const paused = await sql<{ paused: boolean; reason: string }[]>`
    select paused_at is not null as paused, paused_reason as reason from phone_numbers
    where id in (${setup.number.id}, ${healthy.id}) order by paused_at nulls last`
  expect(paused).toEqual([
    { paused: true, reason: 'Meta refused the access token with code 190' },
    { paused: false, reason: null },
  ])
  await expect.poll(async () => (await setup.say('two', { dry_run: true })).error.code).toBe('number_paused')
  expect((await setup.call('send_message', { to: friend, body: 'hi' })).output.state).toBe('accepted')
  // One that was in the queue before.
  const [row] = await sql<{ id: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, payload, status)
    values (${setup.number.id}, ${setup.contact}, ${setup.client.id}, 'outbound', 'text',
      '{"type":"text","text":{"body":"hi"}}', 'queued') returning id`
  await sql`insert into outbox (name, data, concurrency_key)
    values ('wa/message.send.requested', jsonb_build_object('messageId', ${row?.id ?? ''}::text), ${setup.number.id})`
  const held = () => sql`select 1 from outbox
    where concurrency_key = ${setup.number.id} and state = 'ready' and run_after > now() + interval '30 seconds'`
  await expect.poll(async () => (await held()).length).toBe(1)
  expect(postsOf(setup)).toHaveLength(1)
  desk.graph.behave(undefined)
  await sql`update phone_numbers set paused_at = null, paused_reason = null where id = ${setup.number.id}`
  await hurry(setup)
  await expect.poll(() => statusOf(row?.id)).toBe('accepted')
})

test('a token that is not on this host pauses the number and names the reference', async () => {
  const setup = await desk.setUp({ number: { tokenRef: 'secrets://wa_access_token_missing' } })
  expect((await setup.say('hello')).error).toMatchObject({ code: 'meta_190' })
  expect(postsOf(setup)).toHaveLength(0)
  const [row] = await desk.harness.db
    .sql`select paused_reason from phone_numbers where id = ${setup.number.id}`
  expect(row?.paused_reason).toContain('secrets://wa_access_token_missing')
})

test.each([
  [131026, 'recipient', /not on WhatsApp/],
  [131049, 'recipient', /held the message back/],
  [131042, 'account', /charge/],
  [131053, 'media', /file/],
])('Meta’s %i is final and explained', async (code, category, message) => {
  const setup = await desk.setUp()
  failFor(setup, { error: code, details: 'in Meta’s words' })
  const { error } = await setup.say('hello')
  expect(error).toMatchObject({ code: `meta_${code}`, category, details: 'in Meta’s words' })
  expect(error.message).toMatch(message)
  expect(postsOf(setup)).toHaveLength(1)
})

test('no token, no text and no phone number gets into the log', async () => {
  const setup = await desk.setUp()
  failFor(setup, { error: 100, details: 'secret sauce' })
  await setup.say('canary in the text')
  const log = JSON.stringify(desk.harness.logs)
  for (const canary of ['access-token-for-tests', 'canary in the text', setup.waId])
    expect(log).not.toContain(canary)
})
