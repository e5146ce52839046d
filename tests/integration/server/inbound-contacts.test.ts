import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parseDelivery } from '../../../server/inbound/parse.ts'
import { storeUpdates } from '../../../server/inbound/store.ts'
import type { PhoneNumber } from '../../../server/numbers/numbers.ts'
import { addClient, addContact, addNumber, type TestClient, type TestNumber } from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'
import { deliver, delivery, inbound, inboundText, type Person, status, wamid } from './payloads.ts'

let harness: Harness
let client: TestClient
let number: TestNumber

beforeAll(async () => {
  harness = await startHarness()
  client = await addClient(harness.db.sql, 'shop')
})
beforeEach(async () => {
  number = await addNumber(harness.db.sql, client)
})
afterAll(() => harness?.stop())

const A = '15550000001'
const B = '15550000002'
const one = 'US.1'
const two = 'US.2'

const writes = (from: Person, body: string) =>
  delivery(number, { messages: [inboundText(from, body)], people: [from] })
/** Somebody tells the platform that they go by other ids. */
const change = (before: Person, after: Person, type = 'user_changed_number') =>
  inbound(before, 'system', {
    type,
    body: 'changed',
    ...(before.bsuid && { previous_user_id: before.bsuid }),
    ...(after.bsuid && { user_id: after.bsuid }),
    ...(after.waId && { wa_id: after.waId }),
  })
const changes = (...o: Parameters<typeof change>) => delivery(number, { messages: [change(...o)] })

/** What the job does for one number, without the way there. */
async function store(body: Record<string, unknown>): Promise<void> {
  const items = parseDelivery(Buffer.from(JSON.stringify(body))) ?? []
  const [row] = await harness.db.sql<PhoneNumber[]>`
    select *, client_id as "clientId" from phone_numbers where id = ${number.id}`
  if (row === undefined) throw new Error('the number is gone')
  const updates = {
    messages: items.filter((item) => item.kind === 'message'),
    statuses: items.filter((item) => item.kind === 'status'),
    preferences: [],
  }
  await storeUpdates(harness.db.sql, row, [{ ...updates, requestId: null }])
}

/** Who there is, and what each of them said. */
async function people() {
  const rows = await harness.db.sql`
    select c.bsuid, c.wa_id as "waId", array_to_json(array_remove(array_agg(m.body order by m.created_at, m.id), null)) as said
    from contacts c left join messages m on m.contact_id = c.id and m.message_type = 'text'
    where c.phone_number_id = ${number.id} group by c.id order by c.created_at, c.id`
  return [...rows]
}

test('users without a phone number are told apart by their business-scoped id', async () => {
  await deliver(harness, writes({ bsuid: one, name: 'Ana' }, 'a'), writes({ bsuid: two }, 'b'))
  await deliver(harness, writes({ bsuid: one }, 'c'))
  expect(await people()).toEqual(
    expect.arrayContaining([
      { bsuid: one, waId: null, said: ['a', 'c'] },
      { bsuid: two, waId: null, said: ['b'] },
    ]),
  )
})

test('a contact known by phone gets the business-scoped id with the first message that has both', async () => {
  const id = await addContact(harness.db.sql, number, { waId: A })
  await deliver(harness, writes({ waId: A, bsuid: one }, 'a'))
  await deliver(harness, writes({ bsuid: one }, 'b'))
  expect(await people()).toEqual([{ bsuid: one, waId: A, said: ['a', 'b'] }])
  const [row] = await harness.db.sql`select id from contacts where phone_number_id = ${number.id}`
  expect(row?.id).toBe(id)
})

test('two halves of one person become one', async () => {
  await deliver(harness, writes({ waId: A }, 'by phone'))
  await deliver(harness, writes({ bsuid: one }, 'by id'))
  await deliver(harness, writes({ waId: A, bsuid: one }, 'by both'))
  expect(await people()).toEqual([{ bsuid: one, waId: A, said: ['by phone', 'by id', 'by both'] }])
})

test('a number passed on to a stranger is a new contact, and the old one keeps what was said', async () => {
  await deliver(harness, writes({ waId: A, bsuid: one }, 'private'))
  await deliver(harness, writes({ waId: A, bsuid: two }, 'who is this?'))
  expect(await people()).toEqual([
    { bsuid: one, waId: null, said: ['private'] },
    { bsuid: two, waId: A, said: ['who is this?'] },
  ])
})

test('a change of number keeps the conversation and notes who it was', async () => {
  await deliver(harness, writes({ waId: A, bsuid: one }, 'before'))
  await deliver(harness, changes({ waId: A, bsuid: one }, { waId: B, bsuid: two }))
  await deliver(harness, writes({ waId: B, bsuid: two }, 'after'))
  expect(await people()).toEqual([{ bsuid: two, waId: B, said: ['before', 'after'] }])
  const former = await harness.db.sql`
    select bsuid, wa_id, reason from contact_identities where phone_number_id = ${number.id}`
  expect(former).toEqual([{ bsuid: one, wa_id: A, reason: 'user_changed_number' }])
})

test('a change of number merges the two contacts it shows to be one, with all their messages', async () => {
  await deliver(harness, writes({ waId: A, bsuid: one }, 'old phone'))
  const [before] = await harness.db.sql`select id from contacts where phone_number_id = ${number.id}`
  await deliver(harness, writes({ waId: B, bsuid: two }, 'new phone'))
  await deliver(harness, changes({ waId: A, bsuid: one }, { waId: B, bsuid: two }))
  expect(await people()).toEqual([{ bsuid: two, waId: B, said: ['old phone', 'new phone'] }])
  const [after] = await harness.db.sql`
    select id, window_expires_at > now() as open from contacts where phone_number_id = ${number.id}`
  expect(after).toEqual({ id: before?.id, open: true })
})

test('a late message under the id from before a change joins the conversation and revives nothing', async () => {
  await deliver(harness, changes({ waId: A, bsuid: one }, { waId: B, bsuid: two }))
  await deliver(harness, writes({ waId: A, bsuid: one }, 'late'))
  expect(await people()).toEqual([{ bsuid: two, waId: B, said: ['late'] }])
})

test('a change of the business-scoped id alone, without any phone number', async () => {
  await deliver(harness, writes({ bsuid: one }, 'before'))
  const message = change({ bsuid: one }, { bsuid: two }, 'user_changed_user_id')
  delete message.from_user_id
  await deliver(harness, delivery(number, { messages: [message] }))
  await deliver(harness, writes({ bsuid: two }, 'after'))
  expect(await people()).toEqual([{ bsuid: two, waId: null, said: ['before', 'after'] }])
})

test('a change of number that does not tell the new id waits for the message that does', async () => {
  await deliver(harness, writes({ waId: A, bsuid: one }, 'before'))
  await deliver(harness, changes({ waId: A, bsuid: one }, { waId: B }))
  await deliver(harness, writes({ waId: B, bsuid: two }, 'after'))
  expect(await people()).toEqual([{ bsuid: two, waId: B, said: ['before', 'after'] }])
})

test('two changes in the wrong order end where they would have ended in the right one', async () => {
  await deliver(harness, writes({ bsuid: one }, 'a'))
  await deliver(harness, changes({ bsuid: two }, { bsuid: 'US.3' }, 'user_changed_user_id'))
  await deliver(harness, changes({ bsuid: one }, { bsuid: two }, 'user_changed_user_id'))
  expect(await people()).toEqual([{ bsuid: 'US.3', waId: null, said: ['a'] }])
})

test('numbers that swap owners within one delivery', async () => {
  await deliver(harness, writes({ waId: A, bsuid: one }, 'a'), writes({ waId: B, bsuid: two }, 'b'))
  const messages = [inboundText({ waId: B, bsuid: one }, 'a2'), inboundText({ waId: A, bsuid: two }, 'b2')]
  await deliver(harness, delivery(number, { messages }))
  expect(await people()).toEqual(
    expect.arrayContaining([
      { bsuid: one, waId: B, said: ['a', 'a2'] },
      { bsuid: two, waId: A, said: ['b', 'b2'] },
    ]),
  )
})

test('whatever changes hands in whatever order, everything is stored and nobody is lost', async () => {
  const waId = fc.option(fc.constantFrom(A, B, '15550000003'), { nil: undefined })
  const bsuid = fc.option(fc.constantFrom(one, two, 'US.3', 'US.4'), { nil: undefined })
  const person = fc
    .record({ waId, bsuid })
    .filter((ids) => (ids.waId ?? ids.bsuid) !== undefined)
    .map((ids) => ids as Person)
  const kind = fc.constantFrom('user_changed_number', 'user_changed_user_id')
  const item = fc.oneof(
    { weight: 4, arbitrary: fc.record({ says: person }) },
    { weight: 2, arbitrary: fc.record({ changes: fc.tuple(person, person, kind) }) },
    { weight: 1, arbitrary: fc.record({ named: person }) },
  )
  const batch = fc.array(item, { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 5 }), async (batches) => {
      number = await addNumber(harness.db.sql, client)
      for (const items of batches) {
        const messages = items.flatMap((item) => {
          if ('says' in item) return [inboundText(item.says, 'x')]
          return 'changes' in item ? [change(...item.changes)] : []
        })
        const named = items.flatMap((item) => ('named' in item ? item.named : []))
        await store(
          delivery(number, { messages, statuses: named.map((to) => status(wamid('OUT'), 'sent', { to })) }),
        )
      }
      const [row] = await harness.db.sql`
        select (select count(*)::int from messages where phone_number_id = ${number.id}) as messages,
          (select count(*)::int from contacts where phone_number_id = ${number.id} and wa_id like 'moving%') as parked`
      expect(row).toEqual({ messages: batches.flat().filter((item) => !('named' in item)).length, parked: 0 })
    }),
    { numRuns: 100 },
  )
})
