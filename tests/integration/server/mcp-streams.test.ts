import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer } from '../../conformance/server.ts'
import { createDatabase } from '../database.ts'
import { addClient, addContact, addGrant, addInbound, addKey, addNumber } from './fixtures.ts'
import { type Harness, rpc, startHarness } from './harness.ts'
import { type Heard, hear, modern, openSession } from './mcp-client.ts'

describe('a tool that takes its time', () => {
  let harness: Harness
  let token: string
  let conversation_id: string
  let answer: () => Promise<unknown>

  beforeAll(async () => {
    harness = await startHarness()
    const { sql } = harness.db
    const client = await addClient(sql, 'patient')
    token = (await addKey(sql, client, harness.config.pepper)).token
    const number = await addNumber(sql, client)
    await addGrant(sql, client, number)
    conversation_id = await addContact(sql, number)
    answer = () => addInbound(sql, number, client, conversation_id)
  })
  afterAll(() => harness?.stop())

  const progress = ({ messages }: Heard) =>
    messages.filter(({ method }) => method === 'notifications/progress')
  const call = (timeout_s: number, progressToken?: string) => ({
    name: 'wait_for_reply',
    arguments: { conversation_id, timeout_s },
    ...(progressToken && { _meta: { progressToken } }),
  })

  test('tells a client that asked for it how far it is, then answers on the same stream', async () => {
    const body = { jsonrpc: '2.0', id: 5, method: 'tools/call', params: call(20, 'token-1') }
    const stream = await hear(harness.origin, token, { method: 'POST', body })
    await expect.poll(() => progress(stream).length).toBeGreaterThan(0)
    expect(progress(stream)[0]?.params).toMatchObject({ progressToken: 'token-1', total: 20 })
    await answer()
    await expect.poll(() => stream.ended).toBe(true)
    expect(stream.messages.at(-1)).toMatchObject({ id: 5, result: { structuredContent: {} } })
    const steps = progress(stream).map(({ params }) => Number(params?.progress))
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b))
  })

  test('answers with plain JSON where nobody asked, or the client reads no events', async () => {
    const request = { jsonrpc: '2.0', id: 1, method: 'tools/call' }
    for (const [params, accept] of [
      [call(2), 'application/json, text/event-stream'],
      [call(2, 'token-2'), 'application/json'],
    ] as const) {
      const response = await rpc(harness.origin, token, { ...request, params }, { accept })
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(await response.json()).toMatchObject({ id: 1, result: {} })
    }
  })

  test('stops when its session cancels it, and not when another does', async () => {
    const session = await openSession(harness.origin, token)
    const other = await openSession(harness.origin, token)
    const call77 = { jsonrpc: '2.0', id: 77, method: 'tools/call', params: call(20) }
    let status = 0
    const headers = { 'mcp-session-id': session.id }
    const waiting = rpc(harness.origin, token, call77, headers).then((response) => {
      status = response.status
    })
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 77 } }
    await other.post(cancelled)
    await other.send('ping')
    expect(status).toBe(0)
    // Until the call has arrived there is nothing to cancel.
    await expect
      .poll(async () => {
        await session.post(cancelled)
        return status
      })
      .toBe(202)
    await waiting
  })
})

describe('with short times', () => {
  let stop: () => Promise<void>
  let origin: string
  let sessions: () => Promise<number>

  beforeAll(async () => {
    const db = await createDatabase()
    await db.migrate()
    const server = await startTestServer(db, { idleMs: 1_000, sweepMs: 100, heartbeatMs: 200 })
    origin = server.origin
    sessions = async () => (await db.sql`select id from mcp_sessions`).length
    stop = async () => {
      await server.stop()
      await db.drop()
    }
  })
  afterAll(() => stop?.())

  test('D5.3 an idle session is over, one with a stream or in use is not', async () => {
    const idle = await openSession(origin, '')
    const open = await openSession(origin, '')
    const stream = await hear(origin, '', { method: 'GET', headers: { 'mcp-session-id': open.id } })
    expect(await sessions()).toBe(2)
    await expect.poll(sessions, { timeout: 5_000 }).toBe(1)
    expect((await idle.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status).toBe(404)
    expect((await open.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status).toBe(200)
    expect([stream.ended, stream.beats > 3]).toEqual([false, true])
    stream.cut()
    await expect.poll(sessions, { timeout: 5_000 }).toBe(0)
  })

  test('D5.4 a stream that is cut leaves at once, so its room is free again', async () => {
    const { body, headers } = modern('subscriptions/listen', { notifications: {} })
    const open = () => hear(origin, '', { method: 'POST', headers, body })
    const streams = await Promise.all(Array.from({ length: 100 }, open))
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
    expect((await open()).status).toBe(429)
    streams[0]?.cut()
    await expect.poll(async () => (await open()).status).toBe(200)
    for (const stream of streams) stream.cut()
  })
})
