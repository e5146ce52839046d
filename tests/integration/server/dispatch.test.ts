import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { call, callError } from './call-tool.ts'
import {
  addClient,
  addContact,
  addGrant,
  addInbound,
  addKey,
  addNumber,
  type TestClient,
} from './fixtures.ts'
import { type Harness, rpc, SECRETS, startHarness } from './harness.ts'

const DEFAULT_NUMBER = '109876543210'

let harness: Harness
let owner: TestClient
let client: TestClient
let sinceId: number

beforeAll(async () => {
  harness = await startHarness(() => ({ defaultPhoneNumberId: DEFAULT_NUMBER }))
  owner = await addClient(harness.db.sql, 'owner', { owner: true })
  client = await addClient(harness.db.sql, 'desk')
})
afterAll(() => harness?.stop())
beforeEach(async () => {
  const [row] = await harness.db.sql<{ id: string }[]>`select id from audit_head`
  sinceId = Number(row?.id)
})

const keyFor = async (who: TestClient, scopes?: readonly string[]) =>
  (await addKey(harness.db.sql, who, SECRETS.pepper, scopes ? { scopes } : {})).token

/** What the audit holds of the calls since the test began. */
const audited = () => harness.db.sql<Record<string, unknown>[]>`
  select action, tool, outcome, error_class, phone_number_id, client_id, transport, request_id, duration_ms, detail
  from audit_log where id > ${sinceId} and action = 'tool.call' order by id`

describe('D4.8 every call is audited', () => {
  test('one that succeeds, with its number and a hash of its arguments', async () => {
    const number = await addNumber(harness.db.sql, client)
    await addGrant(harness.db.sql, client, number)
    const token = await keyFor(client)
    const contact = await addContact(harness.db.sql, number, { waId: '15551230000' })
    await addInbound(harness.db.sql, number, client, contact, { body: 'canary text' })
    await expect
      .poll(() => call(harness, token, 'get_messages', { contact: '+15551230000' }).catch(() => undefined))
      .toBeDefined()
    const entries = await audited()
    const entry = entries.at(-1)
    expect(entry).toMatchObject({
      ...{ tool: 'get_messages', outcome: 'ok', error_class: null, phone_number_id: number.waId },
      ...{
        client_id: client.id,
        transport: 'http',
        request_id: expect.any(String),
        duration_ms: expect.any(Number),
      },
      detail: { args_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
    expect(JSON.stringify(entries)).not.toMatch(/canary|15551230000|wamcp_/)
  })

  test('and every refusal', async () => {
    const reader = await addClient(harness.db.sql, 'reader')
    const number = await addNumber(harness.db.sql, reader)
    await addGrant(harness.db.sql, reader, number, { verbs: ['read'] })
    const token = await keyFor(reader, ['tools:get_messages', 'tools:send_message'])
    await expect.poll(() => call(harness, token, 'get_messages').catch(() => undefined)).toBeDefined()
    const before = (await audited()).length

    const refusals: [string, Record<string, unknown>, string][] = [
      ['get_messages', { canary: 'canary' }, 'invalid_input'],
      ['find_contact', { query: 'canary' }, 'scope_denied'],
      ['get_messages', { phone_number_id: '299999999999999' }, 'number_not_found'],
      ['send_message', { to: '+15550001111', body: 'canary' }, 'grant_denied'],
      ['get_messages', { contact: '+19998887777' }, 'conversation_not_found'],
    ]
    for (const [tool, args, code] of refusals)
      expect((await callError(harness, token, tool, args)).code).toBe(code)
    const params = { name: 'canary_tool', arguments: {} }
    const unknown = await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
    expect(((await unknown.json()) as { error: { code: number } }).error.code).toBe(-32602)

    const entries = (await audited()).slice(before)
    expect(entries.map(({ tool, outcome, error_class }) => [tool, outcome, error_class])).toEqual([
      ...refusals.map(([tool, , code]) => [tool, 'refused', code]),
      [null, 'refused', 'unknown_tool'],
    ])
    expect(JSON.stringify(entries)).not.toMatch(/canary|19998887777|15550001111/)
  })

  test('also that of a client without any number', async () => {
    const token = await keyFor(await addClient(harness.db.sql, 'newcomer'))
    expect(await callError(harness, token, 'list_numbers')).toMatchObject({
      code: 'no_number',
      category: 'permission',
    })
    expect((await audited()).map(({ error_class }) => error_class)).toEqual(['no_number'])
  })
})

describe('which number', () => {
  test('with several and no default the choices are listed; an id says which one it is', async () => {
    const several = await addClient(harness.db.sql, 'several')
    const numbers = [
      await addNumber(harness.db.sql, several, { label: 'one' }),
      await addNumber(harness.db.sql, several, { label: 'two' }),
    ]
    for (const number of numbers) await addGrant(harness.db.sql, several, number)
    const token = await keyFor(several)
    await expect.poll(() => call(harness, token, 'list_numbers').catch(() => undefined)).toBeDefined()
    const error = await callError(harness, token, 'get_messages')
    expect(error.code).toBe('number_required')
    expect(error.numbers).toEqual([
      { phone_number_id: numbers[0]?.waId, label: 'one' },
      { phone_number_id: numbers[1]?.waId, label: 'two' },
    ])
    const [, second] = numbers
    if (second === undefined) throw new Error('there are two')
    const contact = await addContact(harness.db.sql, second)
    const { id } = await addInbound(harness.db.sql, second, several, contact)
    const { message } = await call<{ message: { phone_number_id: string } }>(harness, token, 'get_message', {
      message_id: id,
    })
    expect(message.phone_number_id).toBe(second.waId)
    const other = { message_id: id, phone_number_id: numbers[0]?.waId }
    expect((await callError(harness, token, 'get_message', other)).code).toBe('message_not_found')
  })

  test('the owner may use every number without a grant, and the default where none is named', async () => {
    const token = await keyFor(owner)
    const number = await addNumber(harness.db.sql, client, { waId: DEFAULT_NUMBER, label: 'default' })
    const contact = await addContact(harness.db.sql, number)
    const { id } = await addInbound(harness.db.sql, number, client, contact)
    const newest = () =>
      call<{ messages: { message_id: string }[] }>(harness, token, 'get_messages')
        .then(({ messages }) => messages.map(({ message_id }) => message_id))
        .catch(() => [])
    await expect.poll(newest).toEqual([id])
    const { numbers } = await call<{ numbers: { verbs: string[] }[] }>(harness, token, 'list_numbers')
    const all = await harness.db.sql`select 1 from phone_numbers`
    expect(numbers.length).toBe(all.length)
    // An explicit grant counts for the owner too.
    await addGrant(harness.db.sql, owner, number, { verbs: ['read'] })
    const sending = () =>
      callError(harness, token, 'send_message', { to: contact, body: 'x', phone_number_id: DEFAULT_NUMBER })
    await expect.poll(async () => (await sending().catch(() => undefined))?.code).toBe('grant_denied')
  })
})

test('a client that holds results against the schemas it listed is shown the error too', async () => {
  const reader = await addClient(harness.db.sql, 'listing-reader')
  await addGrant(harness.db.sql, reader, await addNumber(harness.db.sql, reader))
  const headers = { authorization: `Bearer ${await keyFor(reader)}` }
  const transport = new StreamableHTTPClientTransport(new URL(`${harness.origin}/mcp`), {
    requestInit: { headers },
  })
  const sdk = new Client({ name: 'tests', version: '1.0.0' })
  await sdk.connect(transport as Transport)
  await sdk.listTools()
  const ask = (args: Record<string, unknown>) => sdk.callTool({ name: 'get_messages', arguments: args })
  await expect.poll(() => ask({})).toMatchObject({ structuredContent: { messages: [] } })
  expect(await ask({ limit: 0 })).toMatchObject({
    isError: true,
    structuredContent: { error: { code: 'invalid_input', issues: [{ field: 'limit' }] } },
  })
  await sdk.close()
})
