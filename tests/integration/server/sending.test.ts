import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditOf, type Desk, messageRow, startDesk } from './desk.ts'
import { delivery, post, status } from './payloads.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

test('S2.1 a text goes out: Meta has it, the row says so, and the audit knows who sent it', async () => {
  const { say, contact, waId, number, client } = await desk.setUp()
  const { output, isError } = await say('Your order is ready.', { preview_url: true })
  expect(isError).toBe(false)
  expect(output).toMatchObject({
    state: 'accepted',
    wamid: expect.stringMatching(/^wamid\./),
    conversation_id: contact,
    window_expires_at: expect.stringMatching(/Z$/),
    warnings: [],
  })
  const sent = desk.graph.sent.filter((one) => one.numberId === number.waId)
  expect(sent).toHaveLength(1)
  expect(sent[0]).toMatchObject({
    to: `+${waId}`,
    wamid: output.wamid,
    callback: output.message_id,
    body: { type: 'text', text: { body: 'Your order is ready.', preview_url: true } },
  })
  expect(await messageRow(desk.harness, output.message_id)).toMatchObject({
    status: 'accepted',
    direction: 'outbound',
    client_id: client.id,
    wa_message_id: output.wamid,
    body: 'Your order is ready.',
    attempts: 1,
    error_code: null,
  })
  const [entry] = await auditOf(desk.harness, number, 'message.sent')
  expect(entry).toMatchObject({ outcome: 'ok', transport: 'job', client_id: client.id })
  expect(JSON.stringify(entry)).not.toMatch(new RegExp(`order is ready|${waId}`))
})

test('Meta tells who the person is: the contact learns its user id', async () => {
  const { say, contact } = await desk.setUp()
  await say('hello')
  const [row] = await desk.harness.db.sql`select bsuid from contacts where id = ${contact}`
  expect(row?.bsuid).toMatch(/^US\.\d+$/)
})

test('a number Meta writes differently is found under both', async () => {
  const { call, contact, number } = await desk.setUp({ contact: { waId: '5511987654321' } })
  desk.graph.behave(
    () => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        contacts: [{ wa_id: '551187654321' }],
        messages: [{ id: `wamid.${number.waId}` }],
      }),
    }),
    1,
  )
  await call('send_message', { to: contact, body: 'one' })
  const second = await call('send_message', { to: '+55 11 98765-4321', body: 'two' })
  expect(second.output.conversation_id).toBe(contact)
  expect(desk.graph.sent.at(-1)?.to).toBe('+551187654321')
})

test('a person without a phone number is written to by user id', async () => {
  const { say, number } = await desk.setUp({ contact: { waId: null, bsuid: 'US.77' } })
  expect((await say('hello')).output.state).toBe('accepted')
  const sent = desk.graph.sent.find((one) => one.numberId === number.waId)
  expect(sent?.body).toMatchObject({ recipient: 'US.77' })
  expect(sent?.body).not.toHaveProperty('to')
})

test('an answer quotes the message it answers', async () => {
  const { say } = await desk.setUp()
  const first = await say('first')
  const second = await say('second', { reply_to: first.output.message_id })
  expect(second.output.state).toBe('accepted')
  expect(desk.graph.sent.at(-1)?.body).toMatchObject({ context: { message_id: first.output.wamid } })
  expect((await say('third', { reply_to: 'wamid.none' })).error).toMatchObject({ code: 'message_not_found' })
})

test.each([
  ['digits without a country code', '5550002222', 'invalid_phone'],
  ['too few digits', '+123456', 'invalid_phone'],
  ['a conversation of nobody', '0199f0a0-1111-7222-8333-444455556666', 'conversation_not_found'],
  ['a broken user id', 'US.!', 'invalid_recipient'],
])('a recipient that is %s is refused before Meta', async (_, to, code) => {
  const { call, number } = await desk.setUp()
  expect((await call('send_message', { to, body: 'x', phone_number_id: number.waId })).error.code).toBe(code)
  expect(desk.graph.requests.some(({ path }) => path.includes(number.waId))).toBe(false)
})

test('another client’s conversation is none of ours', async () => {
  const [mine, theirs] = [await desk.setUp(), await desk.setUp()]
  const answer = await mine.call('send_message', { to: theirs.contact, body: 'x' })
  expect(answer.isError).toBe(true)
  expect(desk.graph.sent.some(({ to }) => to === `+${theirs.waId}`)).toBe(false)
})

test('D2.5 a send Meta refuses with 131047 is an error that names the way out, and a failed row', async () => {
  const { say, number, waId } = await desk.setUp()
  desk.graph.closedWindows.add(`+${waId}`)
  const { isError, error } = await say('too late')
  expect(isError).toBe(true)
  expect(error).toMatchObject({ code: 'meta_131047', category: 'window', retryable: false })
  expect(error.hint).toContain('send_template')
  expect(await messageRow(desk.harness, error.message_id)).toMatchObject({
    status: 'failed',
    error_code: 131047,
  })
  expect(await auditOf(desk.harness, number, 'message.failed')).toMatchObject([
    { outcome: 'failed', error_class: 'OutOfSessionWindowError', error_code: '131047' },
  ])
})

test('a closed window is known before Meta is asked, and templates that would do are named', async () => {
  const { say, number } = await desk.setUp({ contact: { inWindow: false } })
  await desk.harness.db.sql`
    insert into templates (wa_business_account_id, name, language, category, status) values
      (${number.wabaId}, 'offer', 'en', 'MARKETING', 'APPROVED'), (${number.wabaId}, 'update', 'en', 'UTILITY', 'APPROVED'),
      (${number.wabaId}, 'later', 'en', 'UTILITY', 'PENDING')`
  const { error } = await say('anybody there?')
  expect(error).toMatchObject({
    code: 'window_closed',
    category: 'window',
    templates: [
      { name: 'update', language: 'en' },
      { name: 'offer', language: 'en' },
    ],
  })
  expect(desk.graph.requests.some(({ path }) => path.includes(number.waId))).toBe(false)
})

test('a dry run checks everything and writes nothing', async () => {
  const { say, call, number } = await desk.setUp({ key: { daily: 1 } })
  expect((await say('x', { dry_run: true })).output).toMatchObject({ state: 'dry_run', message_id: null })
  expect((await call('send_message', { to: '+15559990000', body: 'x', dry_run: true })).error.code).toBe(
    'window_closed',
  )
  const [count] = await desk.harness.db.sql`
    select (select count(*)::int from messages where phone_number_id = ${number.id}) as messages,
      (select count(*)::int from contacts where phone_number_id = ${number.id}) as contacts,
      (select count(*)::int from rate_limit_buckets where scope_id = ${number.id}) as buckets`
  expect(count).toEqual({ messages: 0, contacts: 1, buckets: 0 })
  await say('the only one')
  expect((await say('x', { dry_run: true })).error.code).toBe('daily_limit_reached')
})

test('whoever does not wait gets the message queued, and it goes out all the same', async () => {
  const { say, number } = await desk.setUp()
  const { output } = await say('later', { wait_s: 0 })
  expect(output.state).toMatch(/^(queued|sending)$/)
  expect(output.warnings).toHaveLength(1)
  await expect.poll(() => desk.graph.sent.filter((one) => one.numberId === number.waId).length).toBe(1)
})

test('a status that beats our own commit is not lost', async () => {
  const { say, number } = await desk.setUp()
  const wamid = `wamid.early.${number.waId}`
  await post(desk.harness.origin, delivery(number, { statuses: [status(wamid, 'delivered')] }))
  const parked = () => desk.harness.db.sql`select 1 from message_statuses where wa_message_id = ${wamid}`
  await expect.poll(async () => (await parked()).length).toBe(1)
  desk.graph.behave(
    () => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ id: wamid }] }),
    }),
    1,
  )
  const { output } = await say('hello')
  expect(output).toMatchObject({ wamid, state: 'delivered' })
})
