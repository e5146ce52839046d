import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VERSION } from '../../../server/version.ts'
import { addClient, addKey } from './fixtures.ts'
import { type Harness, rpc, startHarness } from './harness.ts'

let harness: Harness
let token: string

beforeAll(async () => {
  harness = await startHarness()
  const client = await addClient(harness.db.sql, 'protocol')
  token = (await addKey(harness.db.sql, client, harness.config.pepper)).token
})
afterAll(() => harness?.stop())

const endpoint = () => new URL(`${harness.origin}/mcp`)
const withKey = () => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } })
const info = { name: 'tests', version: '1.0.0' }
const TOOLS = [
  ...[
    'ping',
    'list_numbers',
    'list_conversations',
    'get_messages',
    'search_messages',
    'find_contact',
    'get_message',
  ],
  ...['wait_for_reply', 'get_media', 'list_templates', 'send_message', 'send_media', 'send_interactive'],
  ...['send_template', 'react', 'mark_read', 'create_template'],
]
const pong = { ok: true, ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT/), version: VERSION }

test('a client of the handshake era lists the tools and pings', async () => {
  const client = new Client(info)
  await client.connect(new StreamableHTTPClientTransport(endpoint(), withKey()) as Transport)
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(TOOLS)
  const result = await client.callTool({ name: 'ping', arguments: {} })
  expect(result.structuredContent).toEqual(pong)
  await client.ping()
  await client.close()
})

test.each([
  ['finds out by itself', { mode: 'auto' }],
  ['insists on it', { mode: { pin: '2026-07-28' } }],
] as const)(
  'a client of the stateless era that %s lists the tools and pings',
  async (_, versionNegotiation) => {
    const client = new ModernClient(info, { versionNegotiation })
    await client.connect(new ModernTransport(endpoint(), withKey()))
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28')
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(TOOLS)
    const result = await client.callTool({ name: 'ping', arguments: {} })
    expect(result.structuredContent).toEqual(pong)
    await client.close()
  },
)

test('clients that count their requests alike each get their own answer', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const params = n % 2 ? { name: 'ping' } : { name: `no-such-tool` }
      const response = await rpc(harness.origin, token, {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params,
      })
      return (await response.json()) as { id: number; result?: unknown }
    }),
  )
  expect(answers.map(({ id }) => id)).toEqual(Array(50).fill(1))
  expect(answers.map((answer) => 'result' in answer)).toEqual(answers.map((_, n) => n % 2 === 1))
})

describe('a malformed message gets the right status and no stack', () => {
  test.each([
    ['not JSON', '{"jsonrpc":', 400, -32700],
    ['an empty body', '', 400, -32700],
    ['a batch', [{ jsonrpc: '2.0', id: 1, method: 'ping' }], 400, -32600],
    ['another JSON-RPC', { jsonrpc: '1.0', id: 1, method: 'ping' }, 400, -32600],
    ['null', 'null', 400, -32600],
    ['a method that is no text', { jsonrpc: '2.0', id: 1, method: 7 }, 400, -32600],
    ['an id that is an object', { jsonrpc: '2.0', id: {}, method: 'ping' }, 400, -32600],
    ['an id that is null', { jsonrpc: '2.0', id: null, method: 'ping' }, 400, -32600],
    ['params that are a list', { jsonrpc: '2.0', id: 1, method: 'ping', params: [] }, 400, -32600],
    ['a request that is an answer too', { jsonrpc: '2.0', id: 1, method: 'ping', result: {} }, 400, -32600],
    [
      'a progress token that is a list',
      { jsonrpc: '2.0', id: 1, method: 'ping', params: { _meta: { progressToken: [] } } },
      400,
      -32600,
    ],
    ['an unknown method', { jsonrpc: '2.0', id: 1, method: 'no/such' }, 200, -32601],
    ['a call without a name', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} }, 200, -32602],
    ['an unknown tool', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x' } }, 200, -32602],
  ])('%s', async (_, body, status, code) => {
    const response = await rpc(harness.origin, token, body)
    const answer = (await response.json()) as { jsonrpc: string; error: { code: number } }
    expect([response.status, answer.jsonrpc]).toEqual([status, '2.0'])
    expect(answer.error.code).toBe(code)
    expect(JSON.stringify(answer)).not.toMatch(/\bat .*:\d+|node_modules|server\/mcp/)
  })

  test('D1.5 unknown input keys come back as a result the model can read', async () => {
    const params = { name: 'ping', arguments: { surprise: 1 } }
    const response = await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
    const { result } = (await response.json()) as {
      result: { isError: boolean; content: { text: string }[] }
    }
    expect(result.isError).toBe(true)
    expect(result.content[0]?.text).toContain('surprise')
  })

  test('a notification or a response is accepted without an answer', async () => {
    for (const body of [
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 1, result: {} },
    ]) {
      const response = await rpc(harness.origin, token, body)
      expect([response.status, await response.text()]).toEqual([202, ''])
    }
  })
})

describe('before the framing', () => {
  test.each([
    ['GET', 'POST'],
    ['DELETE', 'POST'],
    ['PUT', 'GET, POST, DELETE'],
  ])('%s without a session is not allowed', async (method, allowed) => {
    const response = await fetch(endpoint(), { method, headers: { authorization: `Bearer ${token}` } })
    expect([response.status, response.headers.get('allow')]).toEqual([405, allowed])
  })

  test('a foreign origin is refused before the key is looked at, our own is not', async () => {
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    const from = (origin: string, key?: string) => rpc(harness.origin, key, list, { origin })
    expect((await from('https://evil.example.net')).status).toBe(403)
    expect((await from('null', token)).status).toBe(403)
    expect((await from('https://wa.example.org.evil.example.net', token)).status).toBe(403)
    expect((await from('https://wa.example.org', token)).status).toBe(200)
    expect((await from('http://localhost:6274', token)).status).toBe(200)
  })

  test('D5.2 a body of another type, or over 1 MiB, is refused', async () => {
    expect((await rpc(harness.origin, token, '{}', { 'content-type': 'text/plain' })).status).toBe(415)
    const large = { jsonrpc: '2.0', id: 1, method: 'ping', params: { x: 'a'.repeat(1024 * 1024) } }
    expect((await rpc(harness.origin, token, large)).status).toBe(413)
  })
})

describe('the stateless era', () => {
  const META = 'io.modelcontextprotocol/'
  const meta = { [`${META}protocolVersion`]: '2026-07-28', [`${META}clientCapabilities`]: {} }
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' }
  const list = { jsonrpc: '2.0', id: 'a', method: 'tools/list', params: { _meta: meta } }
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', _meta: meta } }
  const send = async (body: unknown, over: Record<string, string> = {}) => {
    const response = await rpc(harness.origin, token, body, { ...headers, ...over })
    return {
      status: response.status,
      body: (await response.json()) as Record<string, Record<string, unknown>>,
    }
  }

  test('every result carries what the revision asks for', async () => {
    const { status, body } = await send(list)
    expect(status).toBe(200)
    expect(body.id).toBe('a')
    expect(body.result).toMatchObject({
      resultType: 'complete',
      cacheScope: 'private',
      ttlMs: expect.any(Number),
    })
    expect(body.result?._meta).toHaveProperty([`${META}serverInfo`, 'name'], 'whatsapp-mcp')
  })

  test.each([
    [
      'a version we do not speak',
      { ...list, params: { _meta: { ...meta, [`${META}protocolVersion`]: '2031-01-01' } } },
      { 'mcp-protocol-version': '2031-01-01' },
      400,
      -32022,
    ],
    ['a header of another version', list, { 'mcp-protocol-version': '2025-11-25' }, 400, -32020],
    ['no version in the body', { ...list, params: {} }, {}, 400, -32602],
    ['a header of another method', list, { 'mcp-method': 'tools/call' }, 400, -32020],
    ['no name of the tool in the header', call, { 'mcp-method': 'tools/call' }, 400, -32020],
    ['another tool in the header', call, { 'mcp-method': 'tools/call', 'mcp-name': 'pong' }, 400, -32020],
    [
      'no client capabilities',
      { ...list, params: { _meta: { [`${META}protocolVersion`]: '2026-07-28' } } },
      {},
      400,
      -32602,
    ],
    ['a removed method', { ...list, method: 'initialize' }, { 'mcp-method': 'initialize' }, 404, -32601],
  ])('%s is refused', async (_, body, over, status, code) => {
    const answer = await send(body, over)
    expect([answer.status, answer.body.error?.code]).toEqual([status, code])
  })

  test('a name in the header may be wrapped in base64', async () => {
    const wrapped = `=?base64?${Buffer.from('ping').toString('base64')}?=`
    const { status } = await send(call, { 'mcp-method': 'tools/call', 'mcp-name': wrapped })
    expect(status).toBe(200)
  })
})
