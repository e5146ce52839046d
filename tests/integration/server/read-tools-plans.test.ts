import { afterAll, beforeAll, expect, test } from 'vitest'
import { call } from './call-tool.ts'
import { addClient, addContact, addGrant, addKey, addNumber } from './fixtures.ts'
import { type Harness, SECRETS, startHarness } from './harness.ts'

const ROWS = 3_000
const CALLS = 5
const PAGE = 20

let harness: Harness
let token: string
let contact: string
let message: string

beforeAll(async () => {
  harness = await startHarness()
  const { sql } = harness.db
  const client = await addClient(sql, 'desk')
  for (const share of [1, 2, 3]) {
    const number = await addNumber(sql, client, { waId: `12345${share}` })
    const contacts: string[] = []
    for (let n = 0; n < 40; n += 1) contacts.push(await addContact(sql, number))
    await sql`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status, created_at)
      select ${number.id}, (${JSON.stringify(contacts)}::text::jsonb->>(n % 40))::uuid, ${client.id}, 'inbound', 'text',
        'common w' || n % 300 || ' v' || n % 700 || case when n = 711 then ' rare' else '' end, 'received',
        '2026-01-01'::timestamptz + n * interval '1 second'
      from generate_series(1, ${ROWS}) n`
    contact = contacts[7] ?? ''
    if (share === 3) await addGrant(sql, client, number)
  }
  token = (await addKey(sql, client, SECRETS.pepper)).token
  await sql`analyze`
  const [any] = await sql<{ id: string }[]>`select id from messages where contact_id in
    (select id from contacts where phone_number_id = (select id from phone_numbers where wa_phone_number_id = '123453')) limit 1`
  message = any?.id ?? ''
  // Whatever is remembered is so now, and does not show in the figures.
  await call(harness, token, 'get_messages')
})
afterAll(() => harness?.stop())

test.each([
  ['the newest messages', 'get_messages', () => ({}), 'messages_page'],
  ['messages from a time on', 'get_messages', () => ({ since: '2026-01-01T00:20:00Z' }), 'messages_page'],
  ['the newest of a conversation', 'get_messages', () => ({ contact }), 'messages_by_contact'],
  [
    'a conversation from a time on',
    'get_messages',
    () => ({ contact, since: '2026-01-01T00:20:00Z' }),
    'messages_by_contact',
  ],
  ['a rare word', 'search_messages', () => ({ query: 'rare' }), 'messages_search'],
  ['a message', 'get_message', () => ({ message_id: message }), 'messages_pkey'],
] as const)('%s: %s reads a page by an index and not the table', async (_, tool, args, index) => {
  const { sql } = harness.db
  // What setting up has read is not to be counted here.
  await sql`select pg_stat_force_next_flush()`
  await sql`select pg_stat_reset()`
  const scans = async () => {
    // Postgres counts with a delay, and at the end of a transaction.
    await call(harness, token, tool, args())
    const [row] = await sql<{ scans: number }[]>`
      select idx_scan::int as scans from pg_stat_user_indexes where indexrelname = ${index}`
    return row?.scans ?? 0
  }
  await expect.poll(scans, { timeout: 10_000 }).toBeGreaterThanOrEqual(CALLS)
  const [read] = await sql<{ whole: number; rows: number }[]>`
    select seq_scan::int as whole, (idx_tup_fetch / idx_scan)::int as rows from pg_stat_user_tables where relname = 'messages'`
  expect(read?.whole).toBe(0)
  expect(read?.rows).toBeLessThanOrEqual(PAGE + 2)
})
