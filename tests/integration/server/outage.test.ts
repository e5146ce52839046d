import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createLogger } from '../../../server/log.ts'
import { type RunningServer, serve } from '../../../server/serve.ts'
import { type Door, startDoor } from '../door.ts'
import { type Harness, rpc, sign, startHarness } from './harness.ts'

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

test('Postgres gone: 503 everywhere it is needed, so that Meta repeats; then well again', async () => {
  await door.shut()
  expect(await health()).toEqual(UNHEALTHY)
  expect([await list(), await deliver('{"event":"later"}')]).toEqual([503, 503])
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

test('a schema older than the server is not healthy', async () => {
  const [newest] = await harness.db
    .sql`delete from schema_migrations where name = (select max(name) from schema_migrations) returning *`
  expect(await health()).toEqual(UNHEALTHY)
  await harness.db.sql`insert into schema_migrations ${harness.db.sql(newest ?? {})}`
  expect(await health()).toEqual(HEALTHY)
})
