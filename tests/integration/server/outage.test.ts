import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createLogger } from '../../../server/log.ts'
import { type RunningServer, serve } from '../../../server/serve.ts'
import { type Door, startDoor } from '../door.ts'
import { addClient, addNumber } from './fixtures.ts'
import { type Harness, rpc, sign, startHarness } from './harness.ts'
import { ana, delivery, inboundText } from './payloads.ts'

let harness: Harness
let door: Door
let server: RunningServer
let origin: string
let token: string

beforeAll(async () => {
  harness = await startHarness()
  token = (await harness.mint()).token
  door = await startDoor(harness.db.url)
  server = await serve({ ...harness.config, databaseUrl: door.url }, createLogger('silent'))
  origin = `http://127.0.0.1:${server.port}`
})
afterAll(async () => {
  await server?.stop()
  await door?.shut()
  await harness?.stop()
})

const HEALTHY = [200, '{"ok":true}']
const UNHEALTHY = [503, '{"error":"unavailable"}']

async function health() {
  const started = performance.now()
  const response = await fetch(`${origin}/health`)
  const answer = [response.status, await response.text()]
  expect(performance.now() - started).toBeLessThan(1_000)
  return answer
}

const list = async () => (await rpc(origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/list' })).status
const deliver = async (body: string) => {
  const headers = { 'x-hub-signature-256': sign(body) }
  return (await fetch(`${origin}/webhook/meta`, { method: 'POST', headers, body })).status
}
const wellAgain = async () => {
  await expect.poll(health, { timeout: 2_000 }).toEqual(HEALTHY)
  expect([await list(), await deliver(`{"at":${Date.now()}}`)]).toEqual([200, 200])
}

beforeEach(wellAgain)

test('D5.8 Postgres gone: 503 everywhere it is needed, so that Meta repeats; then well again', async () => {
  await door.shut()
  expect(await health()).toEqual(UNHEALTHY)
  // Keys are remembered until the listener hears that it hears nothing.
  await expect.poll(list).toBe(503)
  expect(await deliver('{"event":"later"}')).toBe(503)
  expect((await fetch(`${origin}/livez`)).status).toBe(200)
  await door.open()
  await wellAgain()
  expect(await deliver('{"event":"later"}')).toBe(200)
})

test('Postgres silent: health says so within a second, a delivery within five; then well again', async () => {
  door.freeze()
  expect(await health()).toEqual(UNHEALTHY)
  const started = performance.now()
  expect(await deliver('{"event":"frozen"}')).toBe(503)
  expect(performance.now() - started).toBeLessThan(5_000)
  door.thaw()
  await wellAgain()
})

test('a key revoked while the server could not hear of it is refused as soon as it is back', async () => {
  const { token: doomed } = await harness.mint()
  const ask = async () => (await rpc(origin, doomed, { jsonrpc: '2.0', id: 1, method: 'ping' })).status
  expect(await ask()).toBe(200)
  await door.shut()
  await harness.db.sql`update api_keys set revoked_at = now() where prefix = ${doomed.slice(11, 23)}`
  await door.open()
  await expect.poll(health, { timeout: 2_000 }).toEqual(HEALTHY)
  expect(await ask()).toBe(401)
})

test('Postgres gone in the middle of a stream of deliveries: each ends as one message, none is lost', async () => {
  const { sql } = harness.db
  const number = await addNumber(sql, await addClient(sql, 'shop'))
  const texts = Array.from({ length: 60 }, (_, n) => `message ${n}`)
  /** As Meta does: again until it is taken, and sometimes once too often. */
  const deliverUntilTaken = async (text: string, n: number) => {
    const body = JSON.stringify(delivery(number, { messages: [inboundText(ana, text)] }))
    await delay(n * 10)
    while ((await deliver(body)) !== 200) await delay(50)
    if (n % 3 === 0) await deliver(body)
  }
  const taken = Promise.all(texts.map(deliverUntilTaken))
  for (let cut = 0; cut < 3; cut += 1) {
    await delay(150)
    await door.shut()
    await delay(50)
    await door.open()
  }
  await taken
  const stored = async () => {
    // A cut may swallow the answer to a lease, which then has to run out: here after 3 seconds instead of 60.
    await sql`
      update outbox set leased_until = now()
      where state = 'ready' and leased_until between now() and now() + interval '57 seconds'`
    const rows = await sql`select body from messages where phone_number_id = ${number.id}`
    return rows.map(({ body }) => body).toSorted()
  }
  await expect.poll(stored, { timeout: 15_000 }).toEqual(texts.toSorted())
  await expect.poll(() => sql`select 1 from webhook_events where processed_at is null`).toHaveLength(0)
})

test('a schema older than the server is not healthy', async () => {
  const [newest] = await harness.db
    .sql`delete from schema_migrations where name = (select max(name) from schema_migrations) returning *`
  expect(await health()).toEqual(UNHEALTHY)
  await harness.db.sql`insert into schema_migrations ${harness.db.sql(newest ?? {})}`
  expect(await health()).toEqual(HEALTHY)
})
