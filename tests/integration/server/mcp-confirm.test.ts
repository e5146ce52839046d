import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addClient, addContact, addGrant, addKey, addNumber } from './fixtures.ts'
import { type Harness, rpc, startHarness } from './harness.ts'
import { type Answer, hear, modern, openSession } from './mcp-client.ts'

let harness: Harness
let token: string
let otherToken: string
let conversation: string

beforeAll(async () => {
  harness = await startHarness()
  const { sql } = harness.db
  const client = await addClient(sql, 'careful')
  token = (await addKey(sql, client, harness.config.pepper)).token
  const number = await addNumber(sql, client)
  await addGrant(sql, client, number, { policy: 'approval', approveInClient: true })
  conversation = await addContact(sql, number)
  const other = await addClient(sql, 'another')
  otherToken = (await addKey(sql, other, harness.config.pepper)).token
  await addGrant(sql, other, number, { policy: 'approval', approveInClient: true })
})
afterAll(() => harness?.stop())

let n = 0
const message = () => {
  n += 1
  return { to: conversation, body: `Message ${n}`, wait_s: 0, idempotency_key: `key-${n}` }
}
const stateOf = (answer: Answer) =>
  (answer.result?.structuredContent as { state?: string } | undefined)?.state
const codeOf = (answer: Answer) =>
  (answer.result?.structuredContent as { error?: { code: string } } | undefined)?.error?.code

/** Released: on its way, however far it has come meanwhile. */
const UNDER_WAY = ['queued', 'sending', 'accepted']

describe('in the stateless era the call ends in a question and comes again with the answer', () => {
  const forms = { elicitation: {} }
  const call = async (
    args: unknown,
    more: Record<string, unknown> = {},
    as = token,
    capabilities: object = forms,
  ) => {
    const { body, headers } = modern(
      'tools/call',
      { name: 'send_message', arguments: args, ...more },
      { ...capabilities },
    )
    return (await (await rpc(harness.origin, as, body, headers)).json()) as Answer
  }
  const saying = (confirm: boolean, action = 'accept') => ({ confirm: { action, content: { confirm } } })

  test('yes sends, no does not', async () => {
    const [first, second] = [message(), message()]
    const asked = await call(first)
    expect(asked.result).toMatchObject({
      resultType: 'input_required',
      inputRequests: { confirm: { method: 'elicitation/create' } },
      requestState: expect.any(String),
    })
    expect(JSON.stringify(asked.result?.inputRequests)).toContain(first.body)
    const requestState = asked.result?.requestState
    const sent = await call(first, { requestState, inputResponses: saying(true) })
    expect(UNDER_WAY).toContain(stateOf(sent))
    expect(sent.result?.resultType).toBe('complete')

    const state = (await call(second)).result?.requestState
    for (const inputResponses of [
      saying(false),
      saying(true, 'decline'),
      saying(true, 'cancel'),
      { confirm: 7 },
    ])
      expect(codeOf(await call(second, { requestState: state, inputResponses }))).toBe('approval_declined')
  })

  test('a yes without our state is asked again; a forged, foreign or borrowed state is an error', async () => {
    const mine = message()
    const state = String((await call(mine)).result?.requestState)
    const yes = { inputResponses: saying(true) }
    expect((await call(mine, yes)).result?.resultType).toBe('input_required')
    for (const answer of [
      await call(mine, { ...yes, requestState: `${state}x` }),
      await call(mine, { ...yes, requestState: 'nonsense' }),
      await call(message(), { ...yes, requestState: state }),
      await call(mine, { ...yes, requestState: state }, otherToken),
    ])
      expect(answer.error?.code).toBe(-32602)
    const rows = await harness.db.sql`select 1 from messages where idempotency_key = ${mine.idempotency_key}`
    expect(rows).toHaveLength(0)
  })

  test('a stock client answers by itself', async () => {
    const capabilities = { elicitation: { form: {} } }
    const client = new Client(
      { name: 'tests', version: '1' },
      { capabilities, versionNegotiation: { mode: 'auto' } },
    )
    client.setRequestHandler('elicitation/create', async () => ({
      action: 'accept',
      content: { confirm: true },
    }))
    const requestInit = { headers: { authorization: `Bearer ${token}` } }
    await client.connect(new StreamableHTTPClientTransport(new URL(`${harness.origin}/mcp`), { requestInit }))
    const result = await client.callTool({ name: 'send_message', arguments: message() })
    expect(result.structuredContent).toMatchObject({ state: expect.toBeOneOf(UNDER_WAY) })
    await client.close()
  })

  test('a client that shows no forms leaves it to the operator', async () => {
    for (const capabilities of [{}, { elicitation: { url: {} } }])
      expect(stateOf(await call(message(), {}, token, capabilities))).toBe('pending_approval')
  })
})

describe('in the handshake era the client is asked over the stream of the answer', () => {
  const ask = async (answer: object, capabilities: object = { elicitation: {} }) => {
    const session = await openSession(harness.origin, token, { ...capabilities })
    const params = { name: 'send_message', arguments: message() }
    const stream = await hear(harness.origin, token, {
      method: 'POST',
      headers: { 'mcp-session-id': session.id },
      body: { jsonrpc: '2.0', id: 9, method: 'tools/call', params },
    })
    await expect.poll(() => stream.messages.length).toBe(1)
    const question = stream.messages[0]
    expect(question?.method).toBe('elicitation/create')
    return { session, stream, reply: { jsonrpc: '2.0', id: question?.id, ...answer } }
  }
  const yes = { result: { action: 'accept', content: { confirm: true } } }

  test('yes sends', async () => {
    const { session, stream, reply } = await ask(yes)
    expect((await session.post(reply)).status).toBe(202)
    await expect.poll(() => stream.messages.length).toBe(2)
    expect(stream.messages[1]?.id).toBe(9)
    expect(UNDER_WAY).toContain(stateOf(stream.messages[1] ?? {}))
  })

  test('no does not', async () => {
    const { session, stream, reply } = await ask({ result: { action: 'decline' } })
    await session.post(reply)
    await expect.poll(() => codeOf(stream.messages[1] ?? {})).toBe('approval_declined')
  })

  test('nobody but the session that was asked can answer', async () => {
    const { session, stream, reply } = await ask(yes)
    const stranger = await openSession(harness.origin, otherToken)
    await stranger.post(reply)
    await (await openSession(harness.origin, token)).post(reply)
    await rpc(harness.origin, token, reply)
    await session.send('ping')
    expect(stream.messages).toHaveLength(1)
    await session.post({ ...reply, result: { action: 'cancel' } })
    await expect.poll(() => codeOf(stream.messages[1] ?? {})).toBe('approval_declined')
  })

  test('a client that answers with an error leaves it to the operator', async () => {
    const { session, stream, reply } = await ask({ error: { code: -32601, message: 'Method not found' } })
    await session.post(reply)
    await expect.poll(() => stateOf(stream.messages[1] ?? {})).toBe('pending_approval')
  })

  test('so does one without a session, or without forms', async () => {
    const params = { name: 'send_message', arguments: message() }
    const alone = await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
    expect(stateOf((await alone.json()) as Answer)).toBe('pending_approval')
    const session = await openSession(harness.origin, token)
    const answer = await session.send('tools/call', { name: 'send_message', arguments: message() })
    expect(stateOf(answer)).toBe('pending_approval')
  })
})
