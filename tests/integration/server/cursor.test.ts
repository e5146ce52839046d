import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeCursor } from '../../../server/tools/cursor.ts'
import { callError, callTool } from './call-tool.ts'
import { addClient, addContact, addGrant, addInbound, addKey, addNumber } from './fixtures.ts'
import { type Harness, SECRETS, startHarness } from './harness.ts'

const CANARY = 'canary-7f3a'

let harness: Harness
let token: string
/** Ids of another client's rows. */
let foreign: string[]

beforeAll(async () => {
  harness = await startHarness()
  const { sql } = harness.db
  const [mine, other] = [await addClient(sql, 'mine'), await addClient(sql, 'other')]
  const [number, secret] = [await addNumber(sql, mine), await addNumber(sql, other)]
  await addGrant(sql, mine, number)
  const contact = await addContact(sql, secret, { name: CANARY })
  const { id, wamid } = await addInbound(sql, secret, other, contact, { body: CANARY })
  foreign = [contact, id, wamid, secret.id, secret.waId]
  await addInbound(sql, number, mine, await addContact(sql, number))
  token = (await addKey(sql, mine, SECRETS.pepper)).token
})
afterAll(() => harness?.stop())

describe('a cursor', () => {
  const id = '01900000-0000-7000-8000-000000000000'
  const at = '2026-01-31T09:30:00.123456Z'
  test.each([
    ['empty', ''],
    ['no base64', '***'],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['no object', Buffer.from('null').toString('base64url')],
    ['no time', encodeCursor({ at: 'yesterday', id })],
    ['a time no database takes', encodeCursor({ at: '2026-01-31T09:30:00+23:59', id })],
    ['no id', encodeCursor({ at, id: "' or true --" })],
    ['more than ours', Buffer.from(JSON.stringify({ at, id, tenant: 'x' })).toString('base64url')],
  ])('%s is refused by name, without repeating it', async (_, cursor) => {
    for (const [tool, args] of [
      ['list_conversations', {}],
      ['search_messages', { query: 'x' }],
      ['find_contact', { query: 'x' }],
    ] as const) {
      const error = await callError(harness, token, tool, { ...args, cursor })
      expect(error).toMatchObject({ code: 'invalid_input', issues: [{ field: 'cursor' }] })
      if (cursor !== '') expect(JSON.stringify(error)).not.toContain(cursor)
    }
  })
})

test('whatever is put in for ids, cursors, times and words: an answer, no failure, and no foreign row', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom(...foreign, '+', '%', '\\', "'", '\0', '\uD800', '0', 'wamid.', '+15550000000'),
  )
  const moment = fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.constantFrom('0000-01-01T00:00:00Z', '9999-12-31T23:59:59.9999999Z', '1970-01-01T00:00:00-15:59'),
  )
  const cursor = fc.oneof(
    text,
    fc.record({ at: fc.oneof(moment, text), id: fc.oneof(fc.uuid(), text) }).map(encodeCursor),
    fc.json().map((json) => Buffer.from(json).toString('base64url')),
  )
  const id = fc.oneof(fc.uuid(), text)
  const args = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] })
  const calls = fc.oneof(
    fc.tuple(
      fc.constant('get_messages'),
      args({ since: moment, since_id: id, contact: id, limit: fc.integer({ min: 0, max: 101 }) }),
    ),
    fc.tuple(
      fc.constant('list_conversations'),
      args({ cursor, query: text, since: moment, phone_number_id: text }),
    ),
    fc.tuple(
      fc.constant('search_messages'),
      args({ query: text, cursor, contact: id, type: text, until: moment }),
    ),
    fc.tuple(fc.constant('find_contact'), args({ query: text, cursor })),
    fc.tuple(fc.constant('get_message'), args({ message_id: id, wait_for: text, timeout_s: fc.constant(0) })),
    fc.tuple(
      fc.constant('wait_for_reply'),
      args({ conversation_id: id, after_message_id: id, timeout_s: fc.constant(0) }),
    ),
    fc.tuple(fc.constant('get_media'), args({ media_id: id, message_id: id })),
    fc.tuple(fc.constant('list_templates'), args({ cursor, query: text, language: text })),
    fc.tuple(fc.constant('get_messages'), fc.dictionary(fc.string(), fc.jsonValue())),
  )
  await fc.assert(
    fc.asyncProperty(calls, async ([tool, given]) => {
      const answer = JSON.stringify(await callTool(harness, token, tool, given))
      expect(answer).not.toMatch(/internal_error|unavailable/)
      expect(answer).not.toContain(CANARY)
    }),
    { numRuns: 200 },
  )
})
