import { afterAll, beforeAll, expect, test } from 'vitest'
import { replayEvents } from '../../../server/inbound/replay.ts'
import { addClient, addContact, addNumber, type TestClient, type TestNumber } from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'
import {
  ana,
  type Body,
  deliver as deliverAll,
  delivery,
  field,
  inbound,
  inboundText,
  type Person,
  processed,
  status,
  wamid,
} from './payloads.ts'

let harness: Harness
let client: TestClient
let number: TestNumber

beforeAll(async () => {
  harness = await startHarness()
  client = await addClient(harness.db.sql, 'shop')
  number = await addNumber(harness.db.sql, client)
})
afterAll(() => harness?.stop())

const deliver = (...bodies: Body[]) => deliverAll(harness, ...bodies)

const byWamid = async (id: unknown) => {
  const [row] = await harness.db.sql`
    select m.*, c.bsuid, c.wa_id, c.profile_name from messages m join contacts c on c.id = m.contact_id
    where m.wa_message_id = ${String(id)}`
  return row
}
const contactsOf = (n: TestNumber) => harness.db.sql`
  select id, bsuid, wa_id, profile_name, username, last_inbound_at, window_expires_at from contacts
  where phone_number_id = ${n.id} order by created_at, id`

test('S2.1 a message becomes a row of the client its number is booked to, and opens the window', async () => {
  const at = new Date(Math.floor(Date.now() / 1000) * 1000 - 60_000)
  const message = inboundText(ana, 'hello', { at, context: { from: '15550001111', id: 'wamid.OUT.quoted' } })
  await deliver(delivery(number, { messages: [message], people: [{ ...ana, username: '@ana' }] }))
  expect(await byWamid(message.id)).toMatchObject({
    client_id: client.id,
    phone_number_id: number.id,
    direction: 'inbound',
    status: 'received',
    message_type: 'text',
    body: 'hello',
    reply_to_wamid: 'wamid.OUT.quoted',
    wa_timestamp: at,
    profile_name: 'Ana',
  })
  const [contact] = await contactsOf(number)
  expect(contact).toMatchObject({
    bsuid: ana.bsuid,
    wa_id: ana.waId,
    username: '@ana',
    last_inbound_at: at,
    window_expires_at: new Date(at.getTime() + 86_400_000),
  })
})

test('D2.3 the same message in another delivery, at the same time, is one row and a webhook_duplicate line', async () => {
  const message = inboundText(ana, 'once')
  const lines = () => harness.logs.filter(({ msg }) => msg === 'webhook_duplicate').length
  const before = lines()
  await deliver(
    ...Array.from({ length: 8 }, (_, n) =>
      delivery(number, { messages: [message, inboundText(ana, `with ${n}`)], people: [ana] }),
    ),
  )
  const rows = await harness.db.sql`select 1 from messages where wa_message_id = ${String(message.id)}`
  expect(rows).toHaveLength(1)
  expect(lines() - before).toBe(7)
})

test('D3.3 processing once more, also after it broke off half-way, changes nothing', async () => {
  const message = inbound(ana, 'image', { id: `M${Date.now()}`, mime_type: 'image/jpeg', caption: 'look' })
  await deliver(delivery(number, { messages: [message], statuses: [status(wamid('OUT'), 'sent')] }))
  const state = () => harness.db.sql`
    select (select json_agg(m order by id) from messages m) as messages, (select json_agg(c order by id) from contacts c) as contacts,
      (select json_agg(s order by id) from message_statuses s) as statuses,
      (select json_agg(o order by id) from media_objects o) as media,
      (select count(*) from outbox where name <> 'wa/webhook.received') as events`
  const before = await state()
  // As if the process had died between the messages and the mark.
  await harness.db.sql`update webhook_events set processed_at = null`
  await harness.db.sql`
    insert into outbox (name, data) select 'wa/webhook.received', jsonb_build_object('eventId', id) from webhook_events`
  await processed(harness)
  expect(await state()).toEqual(before)
})

test('D3.5 a message with a file asks for its download', async () => {
  const message = inbound(ana, 'document', { id: 'M77', mime_type: 'application/pdf', filename: 'offer.pdf' })
  await deliver(delivery(number, { messages: [message] }))
  const stored = await byWamid(message.id)
  const [media] = await harness.db.sql`select * from media_objects where wamid = ${String(message.id)}`
  expect(media).toMatchObject({
    id: stored?.media_object_id,
    kind: 'document',
    wa_media_id: 'M77',
    filename: 'offer.pdf',
    client_id: client.id,
  })
  const events = await harness.db.sql`
    select concurrency_key from outbox where name = 'wa/media.download.requested' and data ->> 'mediaId' = ${media?.id}`
  expect(events).toEqual([{ concurrency_key: number.id }])
})

test('D6.6 the choice of a button, a list row and a template button store title and selected id', async () => {
  const button = inbound(ana, 'interactive', {
    type: 'button_reply',
    button_reply: { id: 'yes', title: 'Yes' },
  })
  const list = inbound(ana, 'interactive', {
    type: 'list_reply',
    list_reply: { id: 'r1', title: 'Row', description: 'First' },
  })
  const quick = inbound(ana, 'button', { payload: 'STOP', text: 'Stop' })
  await deliver(delivery(number, { messages: [button, list, quick] }))
  const rows = await Promise.all([button, list, quick].map(({ id }) => byWamid(id)))
  expect(rows.map((row) => [row?.body, row?.payload.selectedId])).toEqual([
    ['Yes', 'yes'],
    ['Row', 'r1'],
    ['Stop', 'STOP'],
  ])
})

test('D2.4 values under sensitive keys are redacted in what is kept', async () => {
  const message = inboundText(ana, 'x', {
    extra: {
      access_token: 'a-1',
      deep: [{ Client_Secret: 'b-2', note: 'stays' }],
      xSignature: 1,
      passWord: {},
    },
  })
  await deliver(delivery(number, { messages: [message] }))
  const raw = (await byWamid(message.id))?.raw
  expect(raw).toMatchObject({
    access_token: '<redacted>',
    deep: [{ Client_Secret: '<redacted>', note: 'stays' }],
    xSignature: '<redacted>',
    passWord: '<redacted>',
    text: { body: 'x' },
  })
})

test('reactions and platform messages do not open the window', async () => {
  const bo: Person = { waId: '15550009999', bsuid: 'US.bo' }
  const messages = [
    inbound(bo, 'reaction', { message_id: 'wamid.OUT', emoji: '👍' }),
    inbound(bo, 'unsupported', { type: 'poll_creation' }),
    inbound(bo, 'system', { type: 'something', body: 'x' }),
  ]
  await deliver(delivery(number, { messages }))
  const contact = (await contactsOf(number)).find(({ bsuid }) => bsuid === bo.bsuid)
  expect(contact).toMatchObject({ last_inbound_at: null, window_expires_at: null })
})

test('an older message that comes late does not shorten the window', async () => {
  const cy: Person = { bsuid: 'US.cy' }
  const now = Math.floor(Date.now() / 1000) * 1000
  await deliver(delivery(number, { messages: [inboundText(cy, 'new', { at: new Date(now) })] }))
  await deliver(delivery(number, { messages: [inboundText(cy, 'old', { at: new Date(now - 3_600_000) })] }))
  const contact = (await contactsOf(number)).find(({ bsuid }) => bsuid === cy.bsuid)
  expect(contact).toMatchObject({ wa_id: null, window_expires_at: new Date(now + 86_400_000) })
})

test('a delivery of 1000 messages and one of 1000 statuses', async () => {
  const big = await addNumber(harness.db.sql, client)
  const people = Array.from({ length: 250 }, (_, n) => ({ waId: `1777000${1000 + n}`, bsuid: `US.big${n}` }))
  const messages = Array.from({ length: 1000 }, (_, n) => inboundText(people[n % 250] ?? {}, `message ${n}`))
  await deliver(delivery(big, { messages, people }))
  const rows = await harness.db.sql`
    select body from messages where phone_number_id = ${big.id} order by created_at, id`
  expect(rows.map(({ body }) => body)).toEqual(messages.map((_, n) => `message ${n}`))
  expect(await contactsOf(big)).toHaveLength(250)
  await deliver(delivery(big, { statuses: messages.map(({ id }) => status(`${id}.out`, 'sent')) }))
  const parked = await harness.db.sql`select 1 from message_statuses where phone_number_id = ${big.id}`
  expect(parked).toHaveLength(1000)
})

test('unknown, disabled and foreign numbers are answered, dropped and audited; others in the same delivery are not', async () => {
  const disabled = await addNumber(harness.db.sql, client)
  await harness.db.sql`update phone_numbers set disabled_at = now() where id = ${disabled.id}`
  const stranger = { waId: '299999999999999', wabaId: '1' }
  const message = inboundText(ana, 'reached')
  const entries = (n: { waId: string; wabaId: string }, m: Record<string, unknown>) =>
    (delivery(n, { messages: [m] }) as { entry: unknown[] }).entry
  await deliver({
    object: 'whatsapp_business_account',
    entry: [
      ...entries(disabled, inboundText(ana, 'no')),
      ...entries(stranger, inboundText(ana, 'no')),
      ...entries(number, message),
    ],
  })
  expect(await byWamid(message.id)).toMatchObject({ body: 'reached' })
  expect(await harness.db.sql`select 1 from messages where body = 'no'`).toHaveLength(0)
})

test('account fields: a template is updated and its list asked for, a limit noted, the rest ignored', async () => {
  const { sql } = harness.db
  const shop = await addNumber(sql, client, { wabaId: '100000000000777' })
  await sql`insert into templates (wa_business_account_id, wa_template_id, name, language, category, status)
    values (${shop.wabaId}, '555', 'order_update', 'en_US', 'UTILITY', 'APPROVED')`
  const about = {
    message_template_id: 555,
    message_template_name: 'order_update',
    message_template_language: 'en-US',
  }
  await deliver(
    field(shop.wabaId, 'message_template_status_update', {
      ...about,
      event: 'PAUSED',
      reason: 'LOW_QUALITY',
    }),
    field(shop.wabaId, 'message_template_quality_update', { ...about, new_quality_score: 'RED' }),
    field(shop.wabaId, 'template_category_update', { ...about, new_category: 'MARKETING' }),
    field(shop.wabaId, 'phone_number_quality_update', {
      display_phone_number: '+1 555-000-1111',
      event: 'THROUGHPUT_UPGRADE',
      max_daily_conversations_per_business: 'TIER_10K',
    }),
    field(shop.wabaId, 'account_alerts', { entity_type: 'BUSINESS' }),
    field('100000000000888', 'message_template_status_update', { ...about, event: 'APPROVED' }),
  )
  const [template] =
    await sql`select status, quality, category, rejected_reason from templates where name = 'order_update'`
  expect(template).toEqual({
    status: 'PAUSED',
    quality: 'RED',
    category: 'MARKETING',
    rejected_reason: 'LOW_QUALITY',
  })
  const [limited] = await sql`select messaging_limit from phone_numbers where id = ${shop.id}`
  expect(limited).toEqual({ messaging_limit: 'TIER_10K' })
  const syncs =
    await sql`select distinct data ->> 'wabaId' as waba from outbox where name = 'wa/templates.sync.requested'`
  expect(syncs).toEqual([{ waba: shop.wabaId }])
})

test('preferences: a customer who wants no more marketing, and again does; a late answer undoes nothing', async () => {
  const id = await addContact(harness.db.sql, number, { waId: '15550008888', bsuid: 'US.pref' })
  const say = (value: string, at: number) => {
    const preference = { user_id: 'US.pref', category: 'marketing_messages', value, timestamp: at }
    const metadata = { phone_number_id: number.waId }
    return field(number.wabaId, 'user_preferences', { metadata, user_preferences: [preference] })
  }
  const optedOut = async () =>
    (await harness.db.sql`select marketing_opt_out_at as at from contacts where id = ${id}`)[0]?.at
  await deliver(say('stop', 1_790_000_000))
  expect(await optedOut()).toEqual(new Date(1_790_000_000_000))
  await deliver(say('resume', 1_789_999_999))
  expect(await optedOut()).toEqual(new Date(1_790_000_000_000))
  await deliver(say('resume', 1_790_000_001))
  expect(await optedOut()).toBeNull()
  await replayEvents(harness.db.sql, { since: new Date(0) })
  await processed(harness)
  expect(await optedOut()).toBeNull()
})

test('what a person sends from the phone app is an outbound row of the client', async () => {
  const echo = inboundText({}, 'from the app', { extra: { from: '15550001111', to: ana.waId } })
  await deliver(
    field(number.wabaId, 'smb_message_echoes', {
      metadata: { phone_number_id: number.waId },
      message_echoes: [echo],
    }),
  )
  expect(await byWamid(echo.id)).toMatchObject({
    direction: 'outbound',
    status: 'sent',
    client_id: client.id,
    bsuid: ana.bsuid,
    body: 'from the app',
  })
})

test('what is not ours or not JSON is marked with the reason and not tried again', async () => {
  await deliver('{"object":"page","entry":[]}', 'not json at all')
  const rows = await harness.db.sql`select error from webhook_events where error is not null`
  expect(rows).toEqual([{ error: 'not_understood' }, { error: 'not_understood' }])
})
