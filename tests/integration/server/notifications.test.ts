import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLogger } from '../../../server/log.ts'
import { serve } from '../../../server/serve.ts'
import {
  addClient,
  addContact,
  addGrant,
  addInbound,
  addKey,
  addNumber,
  type TestClient,
  type TestNumber,
} from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'
import { type Heard, hear, META, modern, openSession } from './mcp-client.ts'

let harness: Harness
let a: { client: TestClient; token: string }
let b: { client: TestClient; token: string }
let number: TestNumber
let contact: string
let uri: string

beforeAll(async () => {
  harness = await startHarness()
  const { sql } = harness.db
  const person = async (name: string) => {
    const client = await addClient(sql, name)
    return { client, token: (await addKey(sql, client, harness.config.pepper)).token }
  }
  a = await person('client-a')
  b = await person('client-b')
  number = await addNumber(sql, a.client)
  await addGrant(sql, a.client, number)
  contact = await addContact(sql, number)
  uri = `wamcp://numbers/${number.waId}/messages`
})
afterAll(() => harness?.stop())

const inbound = (on = number, person = contact) =>
  addInbound(harness.db.sql, on, a.client, person, { body: 'a secret text' })

async function subscribe(token: string, address = uri, origin = harness.origin) {
  const session = await openSession(origin, token)
  const answer = await session.send('resources/subscribe', { uri: address })
  const stream = await hear(origin, token, { method: 'GET', headers: { 'mcp-session-id': session.id } })
  return { session, answer, stream }
}

const urisOf = ({ messages }: Heard) => messages.map(({ params }) => params?.uri)

test('S5.1 a remote client hears of a message within a second, without its text', async () => {
  const client = new Client({ name: 'tests', version: '1' })
  const requestInit = { headers: { authorization: `Bearer ${a.token}` } }
  const transport = new StreamableHTTPClientTransport(new URL(`${harness.origin}/mcp`), { requestInit })
  const heard: unknown[] = []
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params))
  await client.connect(transport as Transport)
  await client.subscribeResource({ uri })
  const { wamid, id } = await inbound()
  await expect.poll(() => heard.length, { timeout: 2_000, interval: 20 }).toBe(1)
  expect(heard[0]).toEqual({
    uri,
    _meta: {
      ...{ event: 'message', message_id: id, wamid, conversation_id: contact },
      ...{ direction: 'inbound', message_type: 'text', status: 'received' },
    },
  })
  expect(JSON.stringify(heard)).not.toContain('secret')
  const { contents } = await client.readResource({ uri })
  expect(JSON.stringify(contents)).toContain(wamid)
  await client.unsubscribeResource({ uri })
  await inbound()
  await client.ping()
  expect(heard).toHaveLength(1)
  await transport.terminateSession()
  await client.close()
})

test('a client of the stateless era listens on one long answer', async () => {
  const conversation = `wamcp://conversations/${contact}`
  const wish = { resourceSubscriptions: [uri, conversation, 'wamcp://numbers/99999/messages'] }
  const { body, headers } = modern('subscriptions/listen', { notifications: wish })
  const stream = await hear(harness.origin, a.token, { method: 'POST', headers, body })
  await expect.poll(() => stream.messages.length).toBe(1)
  const _meta = { [`${META}subscriptionId`]: body.id }
  expect(stream.messages[0]).toEqual({
    jsonrpc: '2.0',
    method: 'notifications/subscriptions/acknowledged',
    params: { notifications: { resourceSubscriptions: [uri, conversation] }, _meta },
  })
  const { wamid } = await inbound()
  await expect.poll(() => urisOf(stream).slice(1)).toEqual([uri, conversation])
  expect(stream.messages[1]?.params?._meta).toMatchObject({ ..._meta, wamid })
  stream.cut()
})

test('D5.7 client B never receives what is announced to A', async () => {
  const refused = await subscribe(b.token)
  expect(refused.answer.error).toMatchObject({ code: -32002, data: { uri } })
  const shared = await addNumber(harness.db.sql, a.client)
  const there = await addContact(harness.db.sql, shared)
  const sharedUri = `wamcp://numbers/${shared.waId}/messages`
  await addGrant(harness.db.sql, a.client, shared)
  const grant = await addGrant(harness.db.sql, b.client, shared, { verbs: ['read'] })
  // A process hears of new grants a moment later.
  for (const { token } of [a, b]) {
    const session = await openSession(harness.origin, token)
    const listed = async () => JSON.stringify((await session.send('resources/list')).result)
    await expect.poll(listed).toContain(sharedUri)
  }
  const [first, second] = [await subscribe(a.token, sharedUri), await subscribe(b.token, sharedUri)]

  await harness.db.sql`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, status)
    values (${shared.id}, ${there}, ${a.client.id}, 'outbound', 'text', 'queued')`
  await expect.poll(() => first.stream.messages.length).toBe(1)
  await inbound(shared, there)
  await expect.poll(() => second.stream.messages.length).toBe(1)
  expect(second.stream.messages[0]?.params?._meta).toMatchObject({ direction: 'inbound' })

  await harness.db.sql`update client_phone_grants set revoked_at = now() where id = ${grant}`
  await expect
    .poll(async () => (await second.session.send('resources/list')).result?.resources)
    .toHaveLength(1)
  // Of two within a moment only the latest is told, so their number proves nothing.
  const { wamid } = await inbound(shared, there)
  await expect.poll(() => first.stream.messages.at(-1)?.params?._meta).toMatchObject({ wamid })
  expect(second.stream.messages).toHaveLength(1)
  expect(refused.stream.messages).toEqual([])
  for (const { stream } of [refused, first, second]) stream.cut()
})

test('a status is told to the client that sent, and of a burst the latest is told', async () => {
  const mine = await subscribe(a.token)
  const [row] = await harness.db.sql<{ id: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, status)
    values (${number.id}, ${contact}, ${a.client.id}, 'outbound', 'text', 'accepted') returning id`
  await harness.db.sql`update messages set status = 'delivered' where id = ${row?.id ?? ''}`
  await expect
    .poll(() => mine.stream.messages.at(-1)?.params?._meta)
    .toMatchObject({ event: 'status', message_id: row?.id, status: 'delivered' })
  const before = mine.stream.messages.length
  const burst = await harness.db.sql<{ id: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, status)
    select ${number.id}, ${contact}, ${a.client.id}, 'inbound', 'text', 'received' from generate_series(1, 500) returning id`
  await expect
    .poll(() => mine.stream.messages.at(-1)?.params?._meta)
    .toMatchObject({ message_id: burst.at(-1)?.id })
  expect(mine.stream.messages.length).toBeLessThan(before + 20)
  mine.stream.cut()
})

test('another process serves the same session and hears of the same news', async () => {
  const log = createLogger('silent', { write: () => {} })
  const second = await serve(harness.config, log)
  const origin = `http://127.0.0.1:${second.port}`
  try {
    const session = await openSession(harness.origin, a.token)
    const stream = await hear(origin, a.token, { method: 'GET', headers: { 'mcp-session-id': session.id } })
    expect(stream.status).toBe(200)
    // Subscribed in one process, heard in the other.
    await session.send('resources/subscribe', { uri })
    await expect
      .poll(async () => {
        await inbound()
        return urisOf(stream).includes(uri)
      })
      .toBe(true)
    await fetch(`${harness.origin}/mcp`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${a.token}`, 'mcp-session-id': session.id },
    })
    await expect.poll(() => stream.ended).toBe(true)
  } finally {
    await second.stop()
  }
})

test('D5.6 stopping says good-bye to every stream within five seconds', async () => {
  const server = await serve(harness.config, createLogger('silent', { write: () => {} }))
  const origin = `http://127.0.0.1:${server.port}`
  const { stream } = await subscribe(a.token, uri, origin)
  const { body, headers } = modern('subscriptions/listen', {
    notifications: { resourceSubscriptions: [uri] },
  })
  const listening = await hear(origin, a.token, { method: 'POST', headers, body })
  const started = performance.now()
  await server.stop()
  expect(performance.now() - started).toBeLessThan(5_000)
  await expect.poll(() => [stream.ended, listening.ended]).toEqual([true, true])
  expect(listening.messages.at(-1)).toMatchObject({ id: body.id, result: { resultType: 'complete' } })
})
