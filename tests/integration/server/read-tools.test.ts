import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call, callError } from './call-tool.ts'
import {
  addClient,
  addContact,
  addGrant,
  addInbound,
  addKey,
  addNumber,
  type TestClient,
  type TestNumber,
} from './fixtures.ts'
import { type Harness, SECRETS, startHarness } from './harness.ts'

interface View {
  readonly message_id: string
  readonly text: { untrusted: true; value: string } | null
  readonly created_at: string
}
interface Page {
  readonly messages: View[]
  readonly has_more: boolean
  readonly next: { since: string; since_id: string | null }
}

let harness: Harness
let client: TestClient
let number: TestNumber
let token: string

beforeAll(async () => {
  harness = await startHarness()
  client = await addClient(harness.db.sql, 'desk')
  number = await addNumber(harness.db.sql, client, { label: 'Front desk', billableCap: 100 })
  await addGrant(harness.db.sql, client, number, { cap: 7, policy: 'window_only' })
  token = (await addKey(harness.db.sql, client, SECRETS.pepper, { daily: 50 })).token
})
afterAll(() => harness?.stop())

const texts = (page: { messages: View[] }) => page.messages.map(({ text }) => text?.value)
const inbound = (contact: string, body: string) =>
  addInbound(harness.db.sql, number, client, contact, { body })

/** A message we sent. */
async function addOutbound(contact: string, o: { status?: string; body?: string; code?: number } = {}) {
  const [row] = await harness.db.sql<{ id: string; wamid: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status, wa_message_id, error_code)
    values (${number.id}, ${contact}, ${client.id}, 'outbound', 'text', ${o.body ?? 'an answer'}, ${o.status ?? 'sent'},
      'wamid.OUT.' || uuidv7(), ${o.code ?? null})
    returning id, wa_message_id as wamid`
  return row ?? { id: '', wamid: '' }
}

test('list_numbers says what the key may do and what is left', async () => {
  const sql = harness.db.sql
  const [grant] = await sql<
    { id: string }[]
  >`select id from client_phone_grants where client_id = ${client.id}`
  await sql`insert into rate_limit_buckets (scope_kind, scope_id, window_start, count)
    values ('grant_day', ${grant?.id ?? ''}, date_trunc('day', now() at time zone 'UTC') at time zone 'UTC', 3)`
  const { numbers } = await call<{ numbers: unknown[] }>(harness, token, 'list_numbers')
  const budget = (limit: number, left: number) => ({ limit, left, resets_at: expect.any(String) })
  expect(numbers).toEqual([
    {
      phone_number_id: number.waId,
      label: 'Front desk',
      display_number: '+15550001111',
      verbs: ['read', 'send', 'template'],
      allowed_tools: null,
      send_policy: 'window_only',
      state: 'active',
      paused_reason: null,
      quality: null,
      messaging_limit: null,
      budgets: { key_day: budget(50, 50), grant_day: budget(7, 4), number_month: budget(100, 100) },
    },
  ])
})

describe('get_messages', () => {
  test('D2.7 pages without loss or repeat when many rows share a timestamp', async () => {
    const contact = await addContact(harness.db.sql, number)
    const instant = '2026-03-01T10:00:00.123456Z'
    await harness.db.sql`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status, created_at)
      select ${number.id}, ${contact}, ${client.id}, 'inbound', 'text', 'same ' || n, 'received',
        ${instant}::text::timestamptz + (n / 20) * interval '1 microsecond'
      from generate_series(0, 59) n`
    const seen: string[] = []
    let next: Record<string, unknown> = { since: '2026-03-01T10:00:00Z' }
    for (let pages = 0; pages < 20; pages += 1) {
      const page = await call<Page>(harness, token, 'get_messages', { ...next, contact, limit: 7 })
      seen.push(...texts(page).map(String))
      next = { since: page.next.since, since_id: page.next.since_id }
      if (!page.has_more) break
    }
    expect(seen.length).toBe(60)
    expect(new Set(seen).size).toBe(60)
    const nothing = await call<Page>(harness, token, 'get_messages', { ...next, contact })
    expect(nothing).toEqual({ messages: [], has_more: false, next })
  })

  test('the next of a conversation without messages is a place to go on from', async () => {
    const contact = await addContact(harness.db.sql, number)
    const nothing = await call<Page>(harness, token, 'get_messages', { contact })
    await inbound(contact, 'the first')
    const page = await call<Page>(harness, token, 'get_messages', { ...nothing.next, contact })
    expect(texts(page)).toEqual(['the first'])
  })

  test('D2.7 a wamid, a bare date and a lone since_id are refused as a place to start', async () => {
    for (const [args, field] of [
      [{ since: 'wamid.HBgLMTU1NTAwMDIyMjI' }, 'since'],
      [{ since: '2026-03-01' }, 'since'],
      [{ since: '2026-03-01T10:00:00+19:00' }, 'since'],
      [{ since_id: '00000000-0000-0000-0000-000000000000' }, 'since_id'],
      [{ since: '2026-03-01T10:00:00Z', latest: true }, 'latest'],
      [{ limit: 101 }, 'limit'],
    ] as const) {
      const error = await callError(harness, token, 'get_messages', args)
      expect(error).toMatchObject({ code: 'invalid_input', issues: [{ field }] })
      expect(JSON.stringify(error)).not.toContain('HBgL')
    }
  })

  test('without since shows the newest, oldest of them first, with a place to go on from', async () => {
    const contact = await addContact(harness.db.sql, number)
    for (const n of [1, 2, 3]) await inbound(contact, `line ${n}`)
    const newest = await call<Page>(harness, token, 'get_messages', { contact, limit: 2 })
    expect(texts(newest)).toEqual(['line 2', 'line 3'])
    expect(newest.messages[0]?.created_at).toMatch(/\.\d{6}Z$/)
    await inbound(contact, 'line 4')
    const later = await call<Page>(harness, token, 'get_messages', { ...newest.next, contact })
    expect(texts(later)).toEqual(['line 4'])
    const empty = await addContact(harness.db.sql, number)
    const start = await call<Page>(harness, token, 'get_messages', { contact: empty, latest: true })
    await inbound(empty, 'first')
    const { since } = start.next
    expect(texts(await call<Page>(harness, token, 'get_messages', { since, contact: empty }))).toEqual([
      'first',
    ])
  })

  test('takes a conversation by id, phone number, former phone number and user id, and one direction', async () => {
    const contact = await addContact(harness.db.sql, number, { waId: '4915112345678', bsuid: 'DE.abc123' })
    await harness.db.sql`insert into contact_identities (contact_id, phone_number_id, wa_id, reason)
      values (${contact}, ${number.id}, '4915199999999', 'test')`
    await inbound(contact, 'theirs')
    await addOutbound(contact, { body: 'ours' })
    for (const name of [contact, '+4915112345678', '4915112345678', '+4915199999999', 'DE.abc123']) {
      expect(texts(await call<Page>(harness, token, 'get_messages', { contact: name }))).toEqual([
        'theirs',
        'ours',
      ])
    }
    const only = async (direction: string) =>
      texts(await call<Page>(harness, token, 'get_messages', { contact, direction }))
    expect([await only('inbound'), await only('outbound')]).toEqual([['theirs'], ['ours']])
    const error = await callError(harness, token, 'get_messages', { contact: '+19999999999' })
    expect(error.code).toBe('conversation_not_found')
  })

  test('marks what others wrote and takes out what people do not see', async () => {
    const contact = await addContact(harness.db.sql, number)
    await inbound(contact, 'see\u200B \u202Eme\u{E0041}\u0007\nplainly \u{1F469}\u200D\u{1F680}')
    const page = await call<Page>(harness, token, 'get_messages', { contact })
    expect(page.messages[0]?.text).toEqual({
      untrusted: true,
      value: 'see me\nplainly \u{1F469}\u200D\u{1F680}',
    })
  })
})

test('list_conversations: most recent first, with filters and a cursor', async () => {
  interface Inbox {
    conversations: {
      conversation_id: string
      unanswered: boolean
      window_open: boolean
      last_message: { text: { value: string } }
    }[]
    next_cursor: string | null
  }
  const other = await addNumber(harness.db.sql, client)
  await addGrant(harness.db.sql, client, other)
  await expect.poll(() => call(harness, token, 'list_numbers').then(JSON.stringify)).toContain(other.waId)
  const people: string[] = []
  for (let n = 0; n < 5; n += 1) {
    const id = await addContact(harness.db.sql, other, { name: `Person ${n}`, inWindow: n % 2 === 0 })
    await harness.db
      .sql`update contacts set last_message_at = ${`2026-05-0${n < 3 ? 1 : n}T00:00:00.000001Z`}::text::timestamptz
      where id = ${id}`
    await addInbound(harness.db.sql, other, client, id, { body: `${'long '.repeat(60)}${n}` })
    people.push(id)
  }
  // Known, but nothing was said.
  await addContact(harness.db.sql, other)
  const [answered = ''] = people
  await harness.db.sql`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status)
    values (${other.id}, ${answered}, ${client.id}, 'outbound', 'text', 'done', 'sent')`
  const list = (args: Record<string, unknown>) =>
    call<Inbox>(harness, token, 'list_conversations', { phone_number_id: other.waId, ...args })
  const ids = ({ conversations }: Inbox) => conversations.map(({ conversation_id }) => conversation_id)

  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page: Inbox = await list({ limit: 2, ...(cursor && { cursor }) })
    seen.push(...ids(page))
    cursor = page.next_cursor
  } while (cursor !== null)
  const [a, b, c, d, e] = people
  expect(seen).toEqual([e, d, ...[a, b, c].sort()])
  expect(ids(await list({ unanswered: true })).sort()).toEqual([b, c, d, e].sort())
  expect(ids(await list({ unanswered: false }))).toEqual([a])
  expect(ids(await list({ window_open: true })).sort()).toEqual([a, c, e].sort())
  expect(ids(await list({ query: 'PERSON 3' }))).toEqual([d])
  expect(ids(await list({ since: '2026-05-04T00:00:00Z' }))).toEqual([e])
  const length = async (detail: string) =>
    (await list({ detail, query: 'Person 3' })).conversations[0]?.last_message.text.value.length
  expect([await length('concise'), await length('full')]).toEqual([161, 301])
})

test('search_messages finds words on every number, newest first, page by page', async () => {
  interface Found {
    messages: View[]
    next_cursor: string | null
  }
  const contact = await addContact(harness.db.sql, number)
  for (const body of ['a zebra crossing', 'two zebras', 'Zebra, striped', 'a striped zebra horse'])
    await inbound(contact, body)
  await addOutbound(contact, { body: 'our zebra' })
  const search = (args: Record<string, unknown>) => call<Found>(harness, token, 'search_messages', args)
  expect(texts(await search({ query: 'zebra' }))).toEqual([
    'our zebra',
    'a striped zebra horse',
    'Zebra, striped',
    'a zebra crossing',
  ])
  expect(texts(await search({ query: 'zebra -striped', direction: 'inbound' }))).toEqual(['a zebra crossing'])
  expect(texts(await search({ query: '"striped zebra"', contact }))).toEqual(['a striped zebra horse'])
  const first = await search({ query: 'zebra', limit: 3 })
  const rest = await search({ query: 'zebra', limit: 3, cursor: first.next_cursor })
  expect([first.messages.length, texts(rest), rest.next_cursor]).toEqual([3, ['a zebra crossing'], null])
  expect(texts(await search({ query: `& | ! ' " ) zebra:* <-> \\`, limit: 1 }))).toHaveLength(1)
  expect((await search({ query: 'zebra', until: '2020-01-01T00:00:00Z' })).messages).toEqual([])
  expect((await search({ query: 'zebra', type: 'image' })).messages).toEqual([])
})

test('find_contact finds by name, user name, digits and user id', async () => {
  interface Found {
    contacts: { conversation_id: string; phone: string | null }[]
    next_cursor: string | null
  }
  const find = async (query: string) =>
    (await call<Found>(harness, token, 'find_contact', { query })).contacts.map(
      (found) => found.conversation_id,
    )
  const id = await addContact(harness.db.sql, number, {
    name: 'Żaneta 100%',
    waId: '48600700800',
    bsuid: 'PL.x9',
  })
  await harness.db.sql`update contacts set username = 'zaneta.k' where id = ${id}`
  for (const query of ['żaneta', '100%', '@zaneta.k', '+48 600 700', '600700', 'PL.x9']) {
    expect(await find(query), query).toEqual([id])
  }
  expect(await find('PL.x')).toEqual([])
  expect(await find('_aneta')).toEqual([])
})

describe('get_message', () => {
  interface Message {
    message: { message_id: string; error: unknown }
    timeline: { status: string; error: { reason: string } | null }[]
    pricing: unknown
    reached: boolean | null
  }

  test('tells what became of a message, and explains the failure', async () => {
    const { id, wamid } = await addOutbound(await addContact(harness.db.sql, number), {
      status: 'failed',
      code: 131047,
    })
    await harness.db
      .sql`insert into message_statuses (phone_number_id, message_id, wa_message_id, status, wa_timestamp, error)
      values (${number.id}, ${id}, ${wamid}, 'sent', now() - interval '1 minute', null),
        (${number.id}, ${id}, ${wamid}, 'failed', now(), '{"code": 131047, "details": "secret"}')`
    await harness.db
      .sql`update messages set pricing = '{"billable": true, "category": "utility"}' where id = ${id}`
    for (const reference of [id, wamid]) {
      const found = await call<Message>(harness, token, 'get_message', { message_id: reference })
      expect(found.message).toMatchObject({ message_id: id, error: { code: 131047 } })
      expect(found.timeline.map(({ status }) => status)).toEqual(['sent', 'failed'])
      expect(found.timeline[1]?.error?.reason).toMatch(/24 hours/)
      expect(found.pricing).toEqual({ billable: true, category: 'utility', type: null })
    }
    const nothing = await callError(harness, token, 'get_message', { message_id: 'wamid.NONE' })
    expect(nothing.category).not.toBe('temporary')
  })

  test('waits for a status, and no longer than for the end', async () => {
    const { id } = await addOutbound(await addContact(harness.db.sql, number))
    const waiting = call<Message>(harness, token, 'get_message', { message_id: id, wait_for: 'read' })
    await new Promise((resolve) => setTimeout(resolve, 150))
    await harness.db.sql`update messages set status = 'delivered' where id = ${id}`
    await harness.db.sql`update messages set status = 'read' where id = ${id}`
    expect((await waiting).reached).toBe(true)
    const again = { message_id: id, wait_for: 'delivered', timeout_s: 0 }
    expect((await call<Message>(harness, token, 'get_message', again)).reached).toBe(true)
    await harness.db.sql`update messages set status = 'failed' where id = ${id}`
    expect(
      (await call<Message>(harness, token, 'get_message', { message_id: id, wait_for: 'read' })).reached,
    ).toBe(false)
  })
})

describe('wait_for_reply', () => {
  interface Reply {
    replied: boolean
    messages: View[]
    resume: { conversation_id: string; after_message_id: string | null }
  }
  const wait = (conversation_id: string, more: Record<string, unknown> = {}) =>
    call<Reply>(harness, token, 'wait_for_reply', { conversation_id, ...more })

  test('returns as soon as the person writes', async () => {
    const contact = await addContact(harness.db.sql, number)
    await inbound(contact, 'a question')
    await addOutbound(contact)
    const waiting = wait(contact)
    await new Promise((resolve) => setTimeout(resolve, 150))
    await inbound(await addContact(harness.db.sql, number), 'somebody else')
    await inbound(contact, 'thanks')
    const reply = await waiting
    expect([reply.replied, texts(reply)]).toEqual([true, ['thanks']])
    expect(reply.resume.after_message_id).toBe(reply.messages[0]?.message_id)
  })

  test('finds a reply that came before the call, and resumes where it stopped', async () => {
    const contact = await addContact(harness.db.sql, number)
    const { id } = await addOutbound(contact)
    await inbound(contact, 'quick')
    expect(texts(await wait(contact))).toEqual(['quick'])
    const first = await wait(contact, { after_message_id: id, timeout_s: 0 })
    const nothing = await wait(contact, { ...first.resume, timeout_s: 1 })
    expect(nothing).toEqual({ replied: false, messages: [], resume: first.resume })
    const error = await callError(harness, token, 'wait_for_reply', {
      conversation_id: contact,
      after_message_id: contact,
    })
    expect(error.code).toBe('message_not_found')
  })

  test('in a conversation without a word of ours it waits for a new one', async () => {
    const contact = await addContact(harness.db.sql, number)
    expect(await wait(contact, { timeout_s: 0 })).toMatchObject({
      replied: false,
      resume: { after_message_id: null },
    })
    await inbound(contact, 'old')
    expect((await wait(contact, { timeout_s: 0 })).replied).toBe(false)
  })
})
