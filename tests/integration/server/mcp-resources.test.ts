import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  addClient,
  addContact,
  addGrant,
  addInbound,
  addKey,
  addNumber,
  type TestNumber,
} from './fixtures.ts'
import { type Harness, rpc, startHarness } from './harness.ts'
import { type Answer, modern } from './mcp-client.ts'

let harness: Harness
let token: string
let strangerToken: string
let narrowToken: string
let number: TestNumber
let contact: string
let wamid: string

beforeAll(async () => {
  harness = await startHarness()
  const { sql } = harness.db
  const { pepper } = harness.config
  const client = await addClient(sql, 'reader')
  token = (await addKey(sql, client, pepper)).token
  narrowToken = (await addKey(sql, client, pepper, { scopes: ['tools:ping'] })).token
  strangerToken = (await addKey(sql, await addClient(sql, 'stranger'), pepper)).token
  number = await addNumber(sql, client, { label: 'Front desk' })
  await addGrant(sql, client, number)
  contact = await addContact(sql, number)
  wamid = (await addInbound(sql, number, client, contact, { body: 'is it open today?' })).wamid
})
afterAll(() => harness?.stop())

let id = 0
async function call(method: string, params: Record<string, unknown> = {}, as = token): Promise<Answer> {
  id += 1
  return (await (await rpc(harness.origin, as, { jsonrpc: '2.0', id, method, params })).json()) as Answer
}
const read = (uri: string, as?: string) => call('resources/read', { uri }, as)
const resultOf = <T>({ result }: Answer) => (result ?? {}) as T
const textOf = (answer: Answer) => resultOf<{ contents: { text: string }[] }>(answer).contents[0]?.text ?? ''

describe('resources', () => {
  test('each number that may be read is listed, for those who may', async () => {
    const urisFor = async (as: string) =>
      resultOf<{ resources: { uri: string }[] }>(await call('resources/list', {}, as)).resources.map(
        ({ uri }) => uri,
      )
    const uri = `wamcp://numbers/${number.waId}/messages`
    expect(await urisFor(token)).toEqual(['wamcp://numbers', uri])
    expect(await urisFor(strangerToken)).toEqual(['wamcp://numbers'])
    expect(await urisFor(narrowToken)).toEqual(['wamcp://numbers'])
    const listed = resultOf<{ resourceTemplates: { uriTemplate: string }[] }>(
      await call('resources/templates/list'),
    )
    expect(listed.resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      'wamcp://numbers/{phone_number_id}/messages',
      'wamcp://conversations/{conversation_id}',
      'wamcp://templates/{phone_number_id}',
    ])
  })

  test('reads what the tool of the same name would say, with third-party text marked', async () => {
    expect(textOf(await read('wamcp://numbers'))).toContain(number.waId)
    for (const uri of [`wamcp://numbers/${number.waId}/messages`, `wamcp://conversations/${contact}`]) {
      const { messages } = JSON.parse(textOf(await read(uri)))
      expect(messages).toMatchObject([{ wamid, text: { untrusted: true, value: 'is it open today?' } }])
    }
    const rows = await harness.db.sql`select outcome from audit_log where tool = 'get_messages'`
    expect(rows).toEqual([{ outcome: 'ok' }, { outcome: 'ok' }])
  })

  test("somebody else's is answered like one that does not exist", async () => {
    const missing = await read('wamcp://numbers/1234567/messages')
    expect(missing.error).toEqual({
      code: -32002,
      message: 'Resource not found',
      data: { uri: 'wamcp://numbers/1234567/messages' },
    })
    for (const uri of [`wamcp://numbers/${number.waId}/messages`, `wamcp://conversations/${contact}`])
      for (const as of [strangerToken, narrowToken])
        expect((await read(uri, as)).error).toEqual({ ...missing.error, data: { uri } })
    for (const uri of [
      'wamcp://numbers/x/messages',
      'file:///etc/passwd',
      '',
      `wamcp://templates/${number.waId}/..`,
    ])
      expect((await read(uri)).error?.code).toBe(-32002)
  })

  test('the stateless era has another code for it, and results nobody else may keep', async () => {
    const ask = async (uri: string) => {
      const { body, headers } = modern('resources/read', { uri })
      return (await (await rpc(harness.origin, token, body, headers)).json()) as Answer
    }
    expect((await ask('wamcp://nothing')).error).toMatchObject({
      code: -32602,
      data: { uri: 'wamcp://nothing' },
    })
    expect((await ask('wamcp://numbers')).result).toMatchObject({ cacheScope: 'private', ttlMs: 0 })
  })

  test('a subscription needs a session, and what can be watched', async () => {
    const uri = `wamcp://numbers/${number.waId}/messages`
    expect((await call('resources/subscribe', { uri })).error?.message).toContain('session')
    expect((await call('resources/subscribe', { uri: 'wamcp://numbers' })).error?.code).toBe(-32002)
  })
})

describe('prompts', () => {
  test('are listed with their arguments', async () => {
    const { result } = await call('prompts/list')
    expect(result?.prompts).toMatchObject([
      { name: 'triage_inbox', arguments: [{ name: 'phone_number_id', required: false }] },
      {
        name: 'reply_within_window',
        arguments: [{ name: 'conversation_id', required: true }, { name: 'goal' }],
      },
      {
        name: 'choose_a_template',
        arguments: [{ name: 'purpose', required: true }, { name: 'phone_number_id' }],
      },
    ])
  })

  test('speak only of tools there are, and warn of what customers write', async () => {
    const tools = resultOf<{ tools: { name: string }[] }>(await call('tools/list')).tools.map(
      ({ name }) => name,
    )
    const own = ['triage_inbox', 'reply_within_window', 'choose_a_template']
    const words = [
      'conversation_id',
      'next_cursor',
      'dry_run',
      'idempotency_key',
      'outcome_unknown',
      'phone_number_id',
    ]
    for (const [name, args] of [
      ['triage_inbox', { phone_number_id: number.waId }],
      ['reply_within_window', { conversation_id: contact, goal: 'apologise' }],
      ['choose_a_template', { purpose: 'remind of an appointment' }],
    ] as const) {
      const { messages } = resultOf<{ messages: [{ content: { text: string } }] }>(
        await call('prompts/get', { name, arguments: args }),
      )
      const [{ content }] = messages
      for (const value of Object.values(args)) expect(content.text).toContain(value)
      expect(content.text).toContain('untrusted')
      const named = content.text.match(/\b[a-z]+(_[a-z]+)+\b/g) ?? []
      expect(named.filter((word) => ![...tools, ...own, ...words].includes(word))).toEqual([])
    }
  })

  test.each([
    ['an unknown prompt', { name: 'x' }],
    ['a missing argument', { name: 'reply_within_window' }],
    ['an argument it does not have', { name: 'triage_inbox', arguments: { surprise: 'x' } }],
    ['an argument that is no text', { name: 'triage_inbox', arguments: { phone_number_id: 7 } }],
  ])('%s is refused', async (_, params) => {
    expect((await call('prompts/get', params)).error?.code).toBe(-32602)
  })

  test('a number is completed from those the caller may read', async () => {
    const complete = async (value: string, as = token) => {
      const ref = { type: 'ref/prompt', name: 'triage_inbox' }
      const argument = { name: 'phone_number_id', value }
      const answer = await call('completion/complete', { ref, argument }, as)
      return resultOf<{ completion: { values: string[] } }>(answer).completion.values
    }
    expect(await complete(number.waId.slice(0, 4))).toEqual([number.waId])
    expect(await complete('999')).toEqual([])
    expect(await complete('', strangerToken)).toEqual([])
  })
})
