import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AdminDesk, PHONE, startAdminDesk } from './admin-desk.ts'
import { addContact } from './fixtures.ts'

let desk: AdminDesk

beforeAll(async () => {
  desk = await startAdminDesk()
})
afterAll(() => desk?.harness.stop())

test('a message that waits is shown with its text, released or rejected once, and audited without the text', async () => {
  const [number] = await desk.harness.db.sql<{ id: string; client_id: string }[]>`
    select id, client_id from phone_numbers where wa_phone_number_id = ${PHONE}`
  const contact = await addContact(desk.harness.db.sql, { id: number?.id ?? '', waId: PHONE, wabaId: '' })
  const wait = async () => {
    const [row] = await desk.harness.db.sql<{ id: string }[]>`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status)
      values (${number?.id ?? ''}, ${contact}, ${number?.client_id ?? ''}, 'outbound', 'text', 'canary text', 'pending_approval')
      returning id`
    return row?.id ?? ''
  }
  const [first, second] = [await wait(), await wait()]
  expect((await desk.admin('approvals', 'list')).text).toMatch(
    new RegExp(`^${first} .* owner +${PHONE} +text +canary text$`, 'm'),
  )
  await desk.admin('approvals', 'reject', first)
  await desk.admin('approvals', 'release', second)
  const rows = await desk.harness.db.sql`select status from messages where id = ${first}`
  expect(rows).toMatchObject([{ status: 'rejected' }])
  expect(await desk.refusal('approvals', 'release', first)).toContain('approvals list')
  const entries = await desk.lastEntries(3)
  expect(entries).toMatchObject([
    { action: 'admin.approvals.release', outcome: 'refused' },
    {
      action: 'admin.approvals.release',
      outcome: 'ok',
      phone_number_id: PHONE,
      detail: { message_id: second },
    },
    { action: 'admin.approvals.reject', outcome: 'ok', detail: { message_id: first } },
  ])
  expect(JSON.stringify(await desk.harness.db.sql`select * from audit_log`)).not.toContain('canary')
})

test('replayed deliveries are put back into the outbox', async () => {
  await desk.harness.db.sql`insert into webhook_events (sha256, body, received_at, processed_at)
    select sha256(n::text::bytea), '{}', now() - make_interval(hours => n), now() from generate_series(1, 3) n`
  const replayed = await desk.admin('events', 'replay', '--since', '150m')
  expect(replayed.data).toMatchObject({ events: 2 })
  expect((await desk.lastEntries(1))[0]).toMatchObject({
    action: 'admin.events.replay',
    detail: { events: 2 },
  })
})

test('rows of the outbox are shown, held, released, tried again and discarded', async () => {
  // A row due in a year: the server of this test leaves it alone.
  const [row] = await desk.harness.db.sql<{ id: string }[]>`
    insert into outbox (name, data, state, run_after, last_error)
    values ('wa/templates.sync.requested', '{"wabaId":"1"}', 'dead', now() + interval '1 year', 'canary') returning id`
  const id = row?.id ?? ''
  const state = async () => (await desk.harness.db.sql`select state from outbox where id = ${id}`)[0]?.state
  expect((await desk.admin('outbox', 'show', '--state', 'dead', '--lines', '1')).text).toMatch(
    new RegExp(`^${id} .* canary$`, 'm'),
  )
  await desk.harness.db.sql`update outbox set state = 'ready' where id = ${id}`
  await desk.admin('outbox', 'hold')
  expect(await state()).toBe('held')
  await desk.admin('outbox', 'release', '--all')
  expect(await state()).toBe('ready')
  await desk.admin('outbox', 'discard', id)
  expect(await state()).toBeUndefined()
  expect(await desk.refusal('outbox', 'retry', id)).toContain('There is no row')
  expect((await desk.lastEntries(2))[1]).toMatchObject({
    action: 'admin.outbox.discard',
    detail: { row_id: Number(id) },
  })
})

test('usage counts per day, client and number, and what is billable this month', async () => {
  const { data, text } = await desk.admin('usage')
  expect(data).toMatchObject({ days: [{ client: 'owner', phone: PHONE, received: 0 }] })
  expect(text).toContain('BILLABLE')
  expect((await desk.admin('usage', '--client', 'tests', '--days', '0')).data).toMatchObject({ days: [] })
})
