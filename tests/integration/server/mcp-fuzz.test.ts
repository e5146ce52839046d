import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { within } from '../../../server/db/pool.ts'
import { addClient, addContact, addGrant, addKey, addNumber } from './fixtures.ts'
import { type Harness, rpc, startHarness } from './harness.ts'
import { META } from './mcp-client.ts'

let harness: Harness
let token: string
let uris: string[]

beforeAll(async () => {
  harness = await startHarness()
  const { sql } = harness.db
  const client = await addClient(sql, 'fuzz')
  token = (await addKey(sql, client, harness.config.pepper)).token
  const number = await addNumber(sql, client)
  await addGrant(sql, client, number)
  uris = [`wamcp://numbers/${number.waId}/messages`, `wamcp://conversations/${await addContact(sql, number)}`]
})
afterAll(() => harness?.stop())

const METHODS = [
  ...[
    'initialize',
    'ping',
    'tools/list',
    'tools/call',
    'resources/list',
    'resources/read',
    'resources/subscribe',
  ],
  ...[
    'resources/unsubscribe',
    'resources/templates/list',
    'prompts/list',
    'prompts/get',
    'completion/complete',
  ],
  ...[
    'server/discover',
    'notifications/cancelled',
    'notifications/initialized',
    'logging/setLevel',
    'tasks/get',
  ],
]
const names = fc.constantFrom(
  'ping',
  'list_numbers',
  'get_messages',
  'send_message',
  'triage_inbox',
  '__proto__',
)
const meta = fc.record(
  {
    [`${META}protocolVersion`]: fc.oneof(fc.constantFrom('2026-07-28', '2025-11-25'), fc.string()),
    [`${META}clientCapabilities`]: fc.oneof(fc.constant({}), fc.jsonValue()),
    progressToken: fc.jsonValue(),
    'io.modelcontextprotocol/related-task': fc.jsonValue(),
  },
  { requiredKeys: [] },
)
const params = fc.record(
  {
    name: fc.oneof(names, fc.jsonValue()),
    uri: fc.oneof(fc.constantFrom('wamcp://numbers', 'wamcp://x', '../'), fc.jsonValue()),
    arguments: fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue())),
    ref: fc.oneof(fc.constant({ type: 'ref/prompt', name: 'triage_inbox' }), fc.jsonValue()),
    argument: fc.oneof(fc.record({ name: fc.string(), value: fc.string() }), fc.jsonValue()),
    requestId: fc.jsonValue(),
    protocolVersion: fc.jsonValue(),
    capabilities: fc.jsonValue(),
    clientInfo: fc.jsonValue(),
    inputResponses: fc.jsonValue(),
    requestState: fc.jsonValue(),
    cursor: fc.jsonValue(),
    task: fc.jsonValue(),
    _meta: fc.oneof(meta, fc.jsonValue()),
  },
  { requiredKeys: [] },
)
const message = fc.record(
  {
    jsonrpc: fc.oneof({ weight: 9, arbitrary: fc.constant('2.0') }, fc.jsonValue()),
    id: fc.oneof(fc.integer(), fc.string(), fc.jsonValue()),
    method: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...METHODS) }, fc.jsonValue()),
    params: fc.oneof({ weight: 9, arbitrary: params }, fc.jsonValue()),
    result: fc.jsonValue(),
  },
  { requiredKeys: ['jsonrpc'] },
)
const body = fc.oneof({ weight: 9, arbitrary: message }, fc.jsonValue(), fc.array(message, { maxLength: 3 }))
const headerText = fc.string({ unit: fc.constantFrom(...'abz019-._=?/+ '), maxLength: 40 })
const headers = fc.record(
  {
    'mcp-session-id': fc.oneof(headerText, fc.uuid()),
    'mcp-protocol-version': fc.oneof(fc.constantFrom('2025-11-25', '2026-07-28', '2024-11-05'), headerText),
    'mcp-method': fc.oneof(fc.constantFrom(...METHODS), headerText),
    'mcp-name': fc.oneof(names, fc.constant('=?base64?////?='), headerText),
    accept: fc.constantFrom('application/json', 'text/event-stream', '*/*'),
    'last-event-id': headerText,
  },
  { requiredKeys: [] },
)

test('whatever comes, the answer is no 5xx and says nothing of the inside', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(body, headers, async (message, given) => {
      const answer = rpc(harness.origin, token, message, given as Record<string, string>)
      const response = await within(5_000, answer)
      const text = await response.text()
      expect(response.status).toBeLessThan(500)
      expect(text).not.toMatch(/node_modules|server\/mcp|PostgresError|ZodError/)
    }),
    { numRuns: 600 },
  )
  expect(harness.logs.filter(({ msg }) => msg === 'request_failed' || msg === 'tool_failed')).toEqual([])
})

test('whatever address is read or watched, the answer is a result or a plain refusal', {
  timeout: 60_000,
}, async () => {
  const address = fc.oneof(
    fc.webUrl(),
    fc.string(),
    fc.tuple(fc.constantFrom(...uris), fc.string()).map(([uri, more]) => uri + more),
    fc.string().map((text) => `wamcp://numbers/${text}/messages`),
    fc.uuid().map((id) => `wamcp://conversations/${id}`),
  )
  await fc.assert(
    fc.asyncProperty(
      address,
      fc.constantFrom('resources/read', 'resources/subscribe'),
      async (uri, method) => {
        const response = await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method, params: { uri } })
        const answer = (await response.json()) as { error?: { code: number } }
        expect(response.status).toBe(200)
        if (!uris.includes(uri)) expect([-32002, undefined]).toContain(answer.error?.code)
      },
    ),
    { numRuns: 200 },
  )
})
