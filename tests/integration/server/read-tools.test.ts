import { afterAll, beforeAll, expect, test } from 'vitest'
import { addContact, addGrant, addInbound, addNumber } from './fixtures.ts'
import { type ReadingDesk, startReadingDesk, texts, type View } from './reading-desk.ts'

let desk: ReadingDesk

beforeAll(async () => {
  desk = await startReadingDesk()
})
afterAll(() => desk?.stop())

test('list_numbers says what the key may do and what is left', async () => {
  const { sql } = desk
  const [grant] = await sql<
    { id: string }[]
  >`select id from client_phone_grants where client_id = ${desk.client.id}`
  await sql`insert into rate_limit_buckets (scope_kind, scope_id, window_start, count)
    values ('grant_day', ${grant?.id ?? ''}, date_trunc('day', now() at time zone 'UTC') at time zone 'UTC', 3)`
  const { numbers } = await desk.call<{ numbers: unknown[] }>('list_numbers')
  const budget = (limit: number, left: number) => ({ limit, left, resets_at: expect.any(String) })
  expect(numbers).toEqual([
    {
      phone_number_id: desk.number.waId,
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
  const other = await addNumber(desk.sql, desk.client)
  await addGrant(desk.sql, desk.client, other)
  await expect.poll(() => desk.call('list_numbers').then(JSON.stringify)).toContain(other.waId)
  const people: string[] = []
  for (let n = 0; n < 5; n += 1) {
    const id = await addContact(desk.sql, other, { name: `Person ${n}`, inWindow: n % 2 === 0 })
    await desk.sql`update contacts set last_message_at = ${`2026-05-0${n < 3 ? 1 : n}T00:00:00.000001Z`}::text::timestamptz
      where id = ${id}`
    await addInbound(desk.sql, other, desk.client, id, { body: `${'long '.repeat(60)}${n}` })
    people.push(id)
  }
  // Known, but nothing was said.
  await addContact(desk.sql, other)
  const [answered = ''] = people
  await desk.sql`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status)
    values (${other.id}, ${answered}, ${desk.client.id}, 'outbound', 'text', 'done', 'sent')`
  const list = (args: Record<string, unknown>) =>
    desk.call<Inbox>('list_conversations', { phone_number_id: other.waId, ...args })
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
  const contact = await addContact(desk.sql, desk.number)
  for (const body of ['a zebra crossing', 'two zebras', 'Zebra, striped', 'a striped zebra horse'])
    await desk.addInbound(contact, body)
  await desk.addOutbound(contact, { body: 'our zebra' })
  const search = (args: Record<string, unknown>) => desk.call<Found>('search_messages', args)
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
    (await desk.call<Found>('find_contact', { query })).contacts.map((found) => found.conversation_id)
  const id = await addContact(desk.sql, desk.number, {
    name: 'Żaneta 100%',
    waId: '48600700800',
    bsuid: 'PL.x9',
  })
  await desk.sql`update contacts set username = 'zaneta.k' where id = ${id}`
  for (const query of ['żaneta', '100%', '@zaneta.k', '+48 600 700', '600700', 'PL.x9']) {
    expect(await find(query), query).toEqual([id])
  }
  expect(await find('PL.x')).toEqual([])
  expect(await find('_aneta')).toEqual([])
})
