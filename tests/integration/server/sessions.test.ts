import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addClient, addKey, type TestClient } from './fixtures.ts'
import { type Harness, rpc, startHarness } from './harness.ts'
import { hear, openSession } from './mcp-client.ts'

let harness: Harness
let client: TestClient
let token: string

beforeAll(async () => {
  harness = await startHarness()
  client = await addClient(harness.db.sql, 'sessions')
  token = (await newKey()).token
})
afterAll(() => harness?.stop())

const newKey = () => addKey(harness.db.sql, client, harness.config.pepper)
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const request = (method: string, key: string, session: string) =>
  fetch(`${harness.origin}/mcp`, {
    method,
    headers: { authorization: `Bearer ${key}`, accept: 'text/event-stream', 'mcp-session-id': session },
  })

test('initialize opens a session and says what the server can do', async () => {
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  const response = await rpc(harness.origin, token, { ...list, method: 'initialize', params })
  const id = response.headers.get('mcp-session-id')
  const { result } = (await response.json()) as { result: Record<string, unknown> }
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
  expect(result).toMatchObject({
    protocolVersion: '2025-06-18',
    capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {} },
  })
  const rows = await harness.db
    .sql`select client_id, protocol_version, client_info from mcp_sessions where id = ${id}`
  expect(rows).toMatchObject([
    { client_id: client.id, protocol_version: '2025-06-18', client_info: { name: 'x' } },
  ])
})

test('D5.1 a bad key is refused before the framing, and audited once a minute without the key', async () => {
  const bad = `wamcp_live_${'a'.repeat(28)}`
  for (let n = 0; n < 3; n += 1) {
    const response = await rpc(harness.origin, bad, '{not json')
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect(await response.json()).toEqual({ error: 'unauthorized' })
  }
  const rows = () => harness.db.sql`select * from audit_log where action = 'auth.refused'`
  await expect.poll(async () => (await rows()).length).toBe(1)
  expect(JSON.stringify(await rows())).not.toContain(bad.slice(11))
})

test('D5.5 another key on the same session gets 401, and the session lives on', async () => {
  const session = await openSession(harness.origin, token)
  const other = await newKey()
  for (const method of ['GET', 'DELETE'])
    expect((await request(method, other.token, session.id)).status).toBe(401)
  const response = await rpc(harness.origin, other.token, list, { 'mcp-session-id': session.id })
  expect(response.status).toBe(401)
  expect(await session.send('ping')).toMatchObject({ result: {} })
})

test('a session that is unknown, over, or no id at all gets 404', async () => {
  const session = await openSession(harness.origin, token)
  expect((await request('DELETE', token, session.id)).status).toBe(204)
  for (const id of [session.id, '00000000-0000-4000-8000-000000000000', "1' or '1'='1", 'x'.repeat(5_000)])
    expect((await rpc(harness.origin, token, list, { 'mcp-session-id': id })).status).toBe(404)
})

test('a session is initialized once', async () => {
  const session = await openSession(harness.origin, token)
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  const response = await session.post({ ...list, method: 'initialize', params })
  expect(response.status).toBe(400)
})

test('a key that opens too many sessions loses the one unseen for longest', async () => {
  const busy = await newKey()
  const sessions = []
  for (let n = 0; n < 101; n += 1) sessions.push(await openSession(harness.origin, busy.token))
  const counted = await harness.db
    .sql`select count(*)::int as n from mcp_sessions where api_key_id = ${busy.id}`
  expect(counted[0]?.n).toBe(100)
  expect((await sessions.at(-1)?.post(list))?.status).toBe(200)
})

describe('the stream of a session', () => {
  const open = (id: string, key = token) =>
    hear(harness.origin, key, { method: 'GET', headers: { 'mcp-session-id': id } })

  test('a second one takes over from the first', async () => {
    const { id } = await openSession(harness.origin, token)
    const first = await open(id)
    const second = await open(id)
    await expect.poll(() => first.ended).toBe(true)
    expect([second.status, second.ended]).toEqual([200, false])
    second.cut()
  })

  test('ends with its session', async () => {
    const { id } = await openSession(harness.origin, token)
    const stream = await open(id)
    await request('DELETE', token, id)
    await expect.poll(() => stream.ended).toBe(true)
  })

  test('ends with its key', async () => {
    const key = await newKey()
    const { id } = await openSession(harness.origin, key.token)
    const stream = await open(id, key.token)
    await harness.db.sql`update api_keys set revoked_at = now() where id = ${key.id}`
    await expect.poll(() => stream.ended, { timeout: 3_000 }).toBe(true)
  })

  test('needs a client that reads events', async () => {
    const { id } = await openSession(harness.origin, token)
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json', 'mcp-session-id': id }
    expect((await fetch(`${harness.origin}/mcp`, { headers })).status).toBe(406)
  })

  test('a version nobody speaks is refused', async () => {
    const { id } = await openSession(harness.origin, token)
    const heard = await hear(harness.origin, token, {
      method: 'GET',
      headers: { 'mcp-session-id': id, 'mcp-protocol-version': '1999-01-01' },
    })
    expect(heard.status).toBe(400)
  })
})

test('over the limit of a key: 429 with Retry-After, audited', async () => {
  const slow = await addKey(harness.db.sql, client, harness.config.pepper, { rpm: 2 })
  const statuses = []
  let last: Response | undefined
  for (let n = 0; n < 4; n += 1) {
    last = await rpc(harness.origin, slow.token, list)
    statuses.push(last.status)
  }
  expect(statuses).toEqual([200, 200, 429, 429])
  expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
  const rows = () => harness.db.sql`select * from audit_log where action = 'limit.refused'`
  await expect.poll(async () => (await rows()).length).toBe(1)
})
