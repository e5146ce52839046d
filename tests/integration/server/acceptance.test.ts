import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, type Desk, startDesk } from './desk.ts'
import { addClient, addGrant, addKey } from './fixtures.ts'
import { rpc } from './harness.ts'
import { ana, delivery, inbound, inboundText, post, status } from './payloads.ts'

/** The exit lines of the phases, each as one story through the whole server. */

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

const messagesOf = (answer: Answer) => answer.output.messages as Record<string, unknown>[]

test('S2.1 a question comes in, an answer goes out, and both are rows', async () => {
  const { call, number } = await desk.setUp()
  const { origin, db } = desk.harness
  await post(origin, delivery(number, { messages: [inboundText(ana, 'Where is my order?')], people: [ana] }))
  await expect
    .poll(async () => messagesOf(await call('get_messages', { direction: 'inbound' })).length)
    .toBe(1)
  const [asked] = messagesOf(await call('get_messages', { direction: 'inbound' }))
  expect(asked?.text).toEqual({ untrusted: true, value: 'Where is my order?' })
  const { output } = await call('send_message', { to: asked?.conversation_id, body: 'On its way.' })
  const { wamid, message_id: id } = output
  await post(
    origin,
    delivery(number, { statuses: [status(String(wamid), 'read', { callback: String(id) })] }),
  )
  const rows = () => db.sql`
    select direction, body, status from messages where phone_number_id = ${number.id} order by created_at`
  await expect.poll(rows).toEqual([
    { direction: 'inbound', body: 'Where is my order?', status: 'received' },
    { direction: 'outbound', body: 'On its way.', status: 'read' },
  ])
})

test('S3.1 Meta is answered before anything is processed', async () => {
  const { number } = await desk.setUp()
  const { origin, db } = desk.harness
  const wrote = () =>
    db.sql`select 1 from messages where phone_number_id = ${number.id} and direction = 'inbound'`
  await db.sql.begin(async (sql) => {
    // Whoever processes a message of this number has to wait for this transaction.
    await sql`select pg_advisory_xact_lock(hashtextextended(${number.id}, 0))`
    const response = await post(origin, delivery(number, { messages: [inboundText(ana, 'hi')] }))
    expect(response.status).toBe(200)
    expect(await wrote()).toHaveLength(0)
  })
  await expect.poll(wrote).toHaveLength(1)
})

test('S4.1 a second client cannot exceed scope, grant or rate', async () => {
  const { number, contact } = await desk.setUp()
  const { db, config, origin } = desk.harness
  const second = await addClient(db.sql, 'second')
  await addGrant(db.sql, second, number, {
    verbs: ['read', 'send'],
    tools: ['get_messages', 'send_message'],
    cap: 1,
  })
  const key = (scopes: string[], rpm = 1_000) =>
    addKey(db.sql, second, config.pepper, { scopes: [...scopes, `numbers:${number.waId}`], rpm })
  const call = async (token: string, name: string, args: object) => {
    const params = { name, arguments: args }
    const response = await rpc(origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
    const body = (await response.json()) as { result?: { structuredContent: { error?: { code: string } } } }
    return { status: response.status, code: body.result?.structuredContent.error?.code }
  }
  const reader = await key(['tools:get_messages'])
  await expect.poll(() => call(reader.token, 'get_messages', {})).toEqual({ status: 200, code: undefined })
  expect((await call(reader.token, 'send_message', { to: contact, body: 'x' })).code).toBe('scope_denied')
  const sender = await key(['tools:send_message', 'tools:react'])
  expect((await call(sender.token, 'react', { message_id: 'wamid.x', emoji: '👍' })).code).toBeDefined()
  expect((await call(sender.token, 'send_message', { to: contact, body: 'first' })).code).toBeUndefined()
  expect((await call(sender.token, 'send_message', { to: contact, body: 'second' })).code).toMatch(
    /limit|cap/,
  )
  const hurried = await key(['tools:get_messages'], 2)
  const statuses = []
  for (let n = 0; n < 3; n += 1) statuses.push((await call(hurried.token, 'get_messages', {})).status)
  expect(statuses).toEqual([200, 200, 429])
})

test('S4.2 every call is audited, allowed or not, with who made it', async () => {
  const { call, client, contact } = await desk.setUp({
    key: { scopes: ['tools:send_message', 'tools:get_messages'] },
  })
  await call('get_messages', {})
  await call('send_message', { to: contact, body: 'hello' })
  await call('search_messages', { query: 'hello' })
  await call('send_message', { to: contact })
  const rows = await desk.harness.db.sql`
    select tool, outcome, api_key_id is not null as "byKey" from audit_log
    where action = 'tool.call' and client_id = ${client.id} order by id`
  const seen = rows.map(({ tool, outcome }) => `${tool} ${outcome}`)
  expect(seen).toEqual(
    expect.arrayContaining([
      'get_messages ok',
      'send_message ok',
      'search_messages refused',
      'send_message refused',
    ]),
  )
  expect(rows.every(({ byKey }) => byKey)).toBe(true)
})

test('S6.1 a button goes out and its press comes back', async () => {
  const { call, contact, number, waId } = await desk.setUp()
  const buttons = [
    { id: 'yes', title: 'Yes' },
    { id: 'no', title: 'No' },
  ]
  const asked = await call('send_interactive', {
    to: contact,
    kind: 'buttons',
    body: 'Deliver today?',
    buttons,
  })
  expect(desk.graph.sent.at(-1)?.body).toMatchObject({ type: 'interactive', interactive: { type: 'button' } })
  const press = { type: 'button_reply', button_reply: buttons[0] }
  const context = { from: '15550001111', id: String(asked.output.wamid) }
  await post(
    desk.harness.origin,
    delivery(number, { messages: [inbound({ waId }, 'interactive', press, { context })] }),
  )
  const replies = async () => messagesOf(await call('get_messages', { direction: 'inbound' }))
  await expect
    .poll(replies)
    .toMatchObject([{ selected_id: 'yes', text: { value: 'Yes' }, reply_to: asked.output.wamid }])
})
