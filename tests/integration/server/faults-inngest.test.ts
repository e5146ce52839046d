import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'
import { type EventApi, type SentEvent, startEventApi } from '../../fakes/inngest/event-api.ts'
import { execute } from '../../fakes/inngest/executor.ts'
import { call } from './call-tool.ts'
import { addClient, addContact, addGrant, addKey, addNumber, type TestNumber } from './fixtures.ts'
import { type Harness, SECRETS, startHarness } from './harness.ts'
import { ana, delivery, inboundText, post, wamid } from './payloads.ts'

/** Inngest calls again what it has called before. */

const KEY = 'a1'.repeat(32)
const EVENT_KEY = 'event-key-for-tests-0001'

let api: EventApi
let graph: FakeGraph
let harness: Harness
let number: TestNumber
let contact: string
let token: string

beforeAll(async () => {
  api = await startEventApi(EVENT_KEY)
  graph = await startFakeGraph({ tokens: [SECRETS.accessToken.reveal()] })
  harness = await startHarness(() => ({
    graphUrl: graph.url,
    inngest: {
      baseUrl: api.url,
      serveOrigin: new URL('http://app.internal:3000'),
      signingKey: new Secret(KEY),
      previousSigningKey: undefined,
      eventKey: new Secret(EVENT_KEY),
    },
  }))
  const { sql } = harness.db
  const client = await addClient(sql, 'agent')
  number = await addNumber(sql, client)
  graph.numbers.set(number.waId, number.wabaId)
  await addGrant(sql, client, number)
  ;({ token } = await addKey(sql, client, SECRETS.pepper))
  contact = await addContact(sql, number)
})
afterAll(async () => {
  await graph?.stop()
  await harness?.stop()
  await api?.close()
})

/** The event of that name that the relay has handed over. */
async function handedOver(name: string): Promise<SentEvent> {
  const found = () => api.batches.flat().find((event) => event.name === name)
  await expect.poll(found).toBeDefined()
  return found() as SentEvent
}

const run = (functionId: string, event: SentEvent) =>
  execute({ url: `${harness.origin}/api/inngest`, key: KEY, functionId, maxAttempts: 1, event })

test('a replayed call of a send sends nothing again, at the same moment or later', async () => {
  await call(harness, token, 'send_message', { to: contact, body: 'hello', wait_s: 0 })
  const event = await handedOver('wa/message.send.requested')
  const again = () => run('wa-mcp-send-message', event)
  for (const { outcome } of [...(await Promise.all([again(), again(), again()])), await again()])
    expect(outcome).toBe('done')
  expect(graph.sent).toHaveLength(1)
  const states = () => harness.db.sql`select status from messages where direction = 'outbound'`
  expect(await states()).toEqual([{ status: 'accepted' }])
})

test('a replayed call of a delivery changes nothing', async () => {
  const id = wamid()
  expect(
    (await post(harness.origin, delivery(number, { messages: [inboundText(ana, 'hello', { id })] }))).status,
  ).toBe(200)
  const event = await handedOver('wa/webhook.received')
  const again = () => run('wa-mcp-process-message', event)
  await Promise.all([again(), again(), again()])
  expect(await again()).toMatchObject({ outcome: 'done' })
  const rows = await harness.db.sql`select wa_message_id from messages where direction = 'inbound'`
  expect(rows).toEqual([{ wa_message_id: id }])
})
