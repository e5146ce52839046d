import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Listener } from '../../../server/db/listener.ts'
import { allTools } from '../../../server/tools/all.ts'
import type { Services } from '../../../server/tools/services.ts'
import type { Desk, Setup } from './desk.ts'
import { addContact, addGrant, addNumber, type TestNumber } from './fixtures.ts'
import { type Args, CANARY, dry, type Ids, PROBES } from './tenancy-probes.ts'
import { ask, fill, nobodys, startTenants } from './tenants.ts'

let desk: Desk
let a: Setup
let b: Setup
let theirs: Ids

beforeAll(async () => {
  ;({ desk, a, b, theirs } = await startTenants())
})
afterAll(() => desk?.stop())

const names = allTools({ listener: {} as Listener } as Services).map(({ name }) => name)

describe("D4.1 what is another client's", () => {
  test('every tool is tried', () => {
    expect(Object.keys(PROBES).sort()).toEqual([...names].sort())
  })

  test.each(names)('%s does not see it, and answers as if it did not exist', async (name) => {
    const probe = PROBES[name] ?? (() => [])
    const nowhere = nobodys()
    const foreign = probe(theirs, b.contact)
    const unknown = probe(nowhere, b.contact)
    expect(foreign.length).toBeGreaterThan(0)
    for (const [index, args] of foreign.entries()) {
      const answer = await ask(desk, b.token, name, args)
      expect(answer, JSON.stringify(args)).not.toContain(CANARY)
      for (const id of Object.values(theirs)) expect(answer, JSON.stringify(args)).not.toContain(id)
      expect(answer, JSON.stringify(args)).toBe(await ask(desk, b.token, name, unknown[index] ?? {}))
      expect(answer).not.toContain('internal_error')
    }
  })

  test('the probes do find what is there when its owner asks', async () => {
    const found = [
      'list_conversations',
      'get_messages',
      'search_messages',
      'find_contact',
      'get_message',
      'get_media',
      'list_templates',
    ]
    for (const name of found) {
      const args = PROBES[name]?.(theirs, a.contact) ?? []
      const answers = await Promise.all(args.map((one) => ask(desk, a.token, name, one)))
      expect(
        answers.some((answer) => answer.includes(CANARY)),
        name,
      ).toBe(true)
    }
    expect(await ask(desk, a.token, 'list_numbers', {})).toContain(CANARY)
  })

  test('nothing of it was sent or marked as read', () => {
    expect(desk.graph.sent).toEqual([])
    expect(desk.graph.receipts).toEqual([])
  })
})

describe('on a number two clients share', () => {
  let shared: TestNumber
  let common: Ids

  beforeAll(async () => {
    const { sql } = desk.harness.db
    shared = await addNumber(sql, a.client, { label: 'shared' })
    const contact = await addContact(sql, shared, { waId: '15557777777' })
    common = await fill(desk, { ...a, contact, waId: '15557777777' }, shared)
    for (const { client } of [a, b]) await addGrant(sql, client, shared)
    await vi.waitFor(async () => expect(await ask(desk, b.token, 'list_numbers', {})).toContain(shared.waId))
  })
  const here = (args: Args) => ({ ...args, phone_number_id: shared.waId })

  test('both read what came in', async () => {
    for (const { token } of [a, b]) {
      expect(await ask(desk, token, 'get_messages', here({}))).toContain(common.message)
      expect(await ask(desk, token, 'get_message', { message_id: common.wamid })).toContain(common.message)
      expect(await ask(desk, token, 'search_messages', { query: 'canary hello' })).toContain(common.message)
    }
  })

  test('D4.1 neither reads what the other sent', async () => {
    for (const [tool, args] of [
      ['get_messages', here({ limit: 100 })],
      ['list_conversations', here({ detail: 'full' })],
      ['search_messages', { query: 'canary answer' }],
      ['get_message', { message_id: common.sent }],
      ['get_message', { message_id: common.sentWamid }],
      ['react', { message_id: common.sentWamid, emoji: '👍', ...dry }],
      [
        'wait_for_reply',
        { conversation_id: common.conversation, after_message_id: common.sent, timeout_s: 0 },
      ],
      ['send_message', { to: common.conversation, body: 'x', reply_to: common.sentWamid, ...dry }],
    ] as const) {
      const answer = await ask(desk, b.token, tool, args)
      expect(answer, tool).not.toContain(common.sent)
      expect(answer, tool).not.toContain(common.sentWamid)
      expect(answer, tool).not.toContain('canary answer')
    }
    expect(await ask(desk, a.token, 'get_messages', here({}))).toContain(common.sent)
  })
})
