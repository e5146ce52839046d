import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lockNumber } from '../../../server/db/number-lock.ts'
import { adoptParkedStatuses } from '../../../server/inbound/statuses.ts'
import { addClient, addContact, addNumber, type TestClient, type TestNumber } from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'
import { ana, deliver, delivery, status, wamid } from './payloads.ts'

let harness: Harness
let client: TestClient
let number: TestNumber
let contact: string

beforeAll(async () => {
  harness = await startHarness()
  client = await addClient(harness.db.sql, 'shop')
  number = await addNumber(harness.db.sql, client)
  contact = await addContact(harness.db.sql, number, { waId: ana.waId ?? null })
})
afterAll(() => harness?.stop())

/** A message of ours in some state. */
async function sent(state: string, id: string | null = wamid('OUT')): Promise<{ id: string; wamid: string }> {
  const [row] = await harness.db.sql<{ id: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, wa_message_id, status)
    values (${number.id}, ${contact}, ${client.id}, 'outbound', 'text', ${id}, ${state}) returning id`
  return { id: row?.id ?? '', wamid: id ?? wamid('OUT') }
}
const report = (...statuses: Record<string, unknown>[]) => deliver(harness, delivery(number, { statuses }))
const stateOf = async (id: string) => {
  const [row] = await harness.db.sql`
    select status, wa_message_id, error_code, error, pricing, updated_at from messages where id = ${id}`
  return row
}

test('D2.8 a status updates its message, and every one is kept', async () => {
  const { id, wamid: w } = await sent('accepted')
  const pricing = { billable: true, pricing_model: 'PMP', type: 'regular', category: 'service' }
  await report(status(w, 'sent', { pricing }))
  await report(status(w, 'delivered', { pricing: { ...pricing, category: 'utility' } }), status(w, 'read'))
  expect(await stateOf(id)).toMatchObject({ status: 'read', pricing, error_code: null })
  const kept = await harness.db.sql`select status from message_statuses where message_id = ${id} order by id`
  expect(kept.map((row) => row.status)).toEqual(['sent', 'delivered', 'read'])
})

const orders = ['sent', 'delivered', 'read', 'played'].flatMap((a, i, all) =>
  all.filter((_, j) => j !== i).map((b) => [a, b] as const),
)
test('a status never goes back, in whatever order the reports come', async () => {
  const messages = await Promise.all(orders.map(() => sent('accepted')))
  await report(...messages.map(({ wamid: w }, n) => status(w, orders[n]?.[0] ?? '')))
  await report(...messages.map(({ wamid: w }, n) => status(w, orders[n]?.[1] ?? '')))
  const rank = ['sent', 'delivered', 'read', 'played']
  const states = await Promise.all(messages.map(({ id }) => stateOf(id)))
  expect(states.map((row) => row?.status)).toEqual(
    orders.map(([a, b]) => rank[Math.max(rank.indexOf(a), rank.indexOf(b))]),
  )
})

test.each([
  [['sent', 'failed'], 'failed'],
  [['failed', 'sent'], 'failed'],
  [['delivered', 'failed'], 'delivered'],
  [['failed', 'delivered'], 'delivered'],
  [['read', 'failed'], 'read'],
])('%j ends as %s', async (reports, end) => {
  const { id, wamid: w } = await sent('accepted')
  for (const name of reports) await report(status(w, name, name === 'failed' ? { errorCode: 131_047 } : {}))
  const failed = end === 'failed'
  expect(await stateOf(id)).toMatchObject({
    status: end,
    error_code: failed ? 131_047 : null,
    error: failed ? { code: 131_047, details: 'why' } : null,
  })
})

test.each(['queued', 'sending', 'unknown', 'held'])(
  'a report that names our id resolves a message that is %s, and tells its wamid',
  async (state) => {
    const { id } = await sent(state, null)
    const w = wamid('OUT')
    await report(status(w, 'sent', { callback: id }))
    expect(await stateOf(id)).toMatchObject({ status: 'sent', wa_message_id: w })
    await report(status(w, 'delivered', { callback: id }))
    expect(await stateOf(id)).toMatchObject({ status: 'delivered' })
  },
)

test.each(['pending_approval', 'rejected'])('nothing Meta says moves a message that is %s', async (state) => {
  const { id, wamid: w } = await sent(state)
  await report(status(w, 'delivered'))
  expect(await stateOf(id)).toMatchObject({ status: state })
})

test('a report cannot touch the message of another number', async () => {
  const other = await addNumber(harness.db.sql, client)
  const { id } = await sent('sending', null)
  await deliver(harness, delivery(other, { statuses: [status(wamid('OUT'), 'read', { callback: id })] }))
  expect(await stateOf(id)).toMatchObject({ status: 'sending', wa_message_id: null })
})

test('a report that beats our own commit is parked, and adopted with the wamid', async () => {
  const { id, wamid: w } = await sent('sending', null)
  await report(status(w, 'delivered'), status(w, 'sent'))
  expect(await stateOf(id)).toMatchObject({ status: 'sending' })
  await harness.db.sql.begin(async (tx) => {
    await lockNumber(tx, number.id)
    await tx`update messages set status = 'accepted', wa_message_id = ${w} where id = ${id}`
    await adoptParkedStatuses(tx, { messageId: id, numberId: number.id, wamid: w })
  })
  expect(await stateOf(id)).toMatchObject({ status: 'delivered' })
  const parked = await harness.db
    .sql`select 1 from message_statuses where wa_message_id = ${w} and message_id is null`
  expect(parked).toHaveLength(0)
})

test('the same reports once more change nothing, not even the time of the change', async () => {
  const { id, wamid: w } = await sent('accepted')
  const at = new Date(1_790_000_000_000)
  await report(status(w, 'sent', { at }), status(w, 'read', { at }))
  const before = await stateOf(id)
  await report(status(w, 'read', { at }), status(w, 'sent', { at }), status(wamid('OUT'), 'sent'))
  expect(await stateOf(id)).toEqual(before)
})

test('statuses we do not know yet are kept and move nothing', async () => {
  const { id, wamid: w } = await sent('sent')
  await report(
    status(w, 'warped'),
    status(w, 'sent', { callback: randomUUID() }),
    status(w, 'sent', { callback: 'no uuid' }),
  )
  expect(await stateOf(id)).toMatchObject({ status: 'sent' })
  const kept = await harness.db.sql`select status from message_statuses where message_id = ${id} order by id`
  expect(kept.map((row) => row.status)).toEqual(['warped', 'sent'])
})

test('a status tells the business-scoped id of a contact known by phone', async () => {
  const id = await addContact(harness.db.sql, number, { waId: '15550004444' })
  await report(status(wamid('OUT'), 'sent', { to: { waId: '15550004444', bsuid: 'US.told' } }))
  const [row] = await harness.db.sql`select bsuid, wa_id from contacts where id = ${id}`
  expect(row).toEqual({ bsuid: 'US.told', wa_id: '15550004444' })
})
