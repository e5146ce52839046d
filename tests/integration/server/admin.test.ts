import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AdminDesk, PHONE, startAdminDesk, tokenOf } from './admin-desk.ts'

let desk: AdminDesk

beforeAll(async () => {
  desk = await startAdminDesk()
})
afterAll(() => desk?.harness.stop())

test('D1.2 a second owner is refused, by the command and by the database', async () => {
  const message = await desk.refusal('clients', 'create', '--name', 'two', '--display-name', 'Two', '--owner')
  expect(message).toBe('There is already an owner, owner, and there can be one only. Leave out --owner.')
  await expect(
    desk.harness.db.sql`insert into clients (name, display_name, is_owner) values ('two', 'Two', true)`,
  ).rejects.toThrow('clients_one_owner_uq')
  expect(await desk.refusal('clients', 'create', '--name', 'desk', '--display-name', 'x')).toContain(
    'already a client',
  )
})

test('a disabled client is refused at once and works again when it is enabled', async () => {
  const token = tokenOf(await desk.admin('keys', 'mint', '--client', 'desk', '--label', 'x'))
  expect(await desk.status(token)).toBe(200)
  await desk.admin('clients', 'disable', 'desk')
  await expect.poll(() => desk.status(token), { timeout: 2_000 }).toBe(401)
  expect((await desk.admin('clients', 'list')).text).toMatch(/^desk .* disabled /m)
  await desk.admin('clients', 'enable', 'desk')
  expect(await desk.status(token)).toBe(200)
  expect(await desk.refusal('clients', 'disable', 'nobody')).toContain('clients create')
})

test('grants: one live one per client and number, with its terms; revoked at once', async () => {
  const which = ['--client', 'desk', '--phone', PHONE]
  await desk.admin(
    'grants',
    'add',
    ...which,
    '--verbs',
    'read,send',
    '--tools',
    'send_message',
    '--daily-cap',
    '5',
    '--policy',
    'approval',
  )
  expect(await desk.refusal('grants', 'add', ...which)).toContain('grants revoke --client desk')
  const listed = await desk.admin('grants', 'list', '--client', 'desk')
  expect(listed.data).toMatchObject([
    {
      client: 'desk',
      phone: PHONE,
      verbs: ['read', 'send'],
      tools: ['send_message'],
      daily_cap: 5,
      policy: 'approval',
    },
  ])
  expect(await desk.lastEntries(2)).toMatchObject([
    { action: 'admin.grants.add', outcome: 'refused' },
    {
      action: 'admin.grants.add',
      outcome: 'ok',
      phone_number_id: PHONE,
      detail: { daily_cap: 5, policy: 'approval' },
    },
  ])
  await desk.admin('grants', 'revoke', ...which)
  expect(await desk.refusal('grants', 'revoke', ...which)).toContain('has no grant')
  await desk.admin('grants', 'add', ...which)
  expect((await desk.admin('grants', 'list')).data).toMatchObject([
    { verbs: ['read'], tools: null, policy: 'any' },
  ])
  expect(await desk.refusal('grants', 'add', '--client', 'desk', '--phone', '999999')).toContain(
    'numbers add',
  )
})

test('numbers: added once, booked to the owner, switched, capped, and given another token', async () => {
  const id = ['--phone-id', PHONE]
  const one = async () =>
    ((await desk.admin('numbers', 'list', '--json')).data as Record<string, unknown>[])[0]
  expect(await one()).toMatchObject({ phone_id: PHONE, client: 'owner', app: 'default', state: 'live' })
  // Its templates are being fetched before an agent asks for them.
  const [event] = await desk.harness.db
    .sql`select data from outbox where name = 'wa/templates.sync.requested'`
  expect(event?.data).toEqual({ wabaId: '100000000000009' })
  expect(await desk.refusal('numbers', 'add', ...id, '--waba', '100000000000009', '--label', 'x')).toContain(
    'already a number',
  )
  expect(
    await desk.refusal(
      'numbers',
      'add',
      '--phone-id',
      '55555',
      '--waba',
      '55555',
      '--label',
      'x',
      '--app',
      'other',
    ),
  ).toContain('apps add')
  await desk.admin('numbers', 'disable', ...id)
  expect(await one()).toMatchObject({ state: 'disabled' })
  await desk.admin('numbers', 'enable', ...id)
  await desk.harness.db.sql`update phone_numbers set paused_at = now(), paused_reason = 'token refused'`
  const rotated = await desk.admin(
    'numbers',
    'rotate-token',
    ...id,
    '--token-ref',
    'secrets://wa_access_token_1',
  )
  expect(rotated.text).toContain('still paused')
  expect(await one()).toMatchObject({ state: 'paused', token_ref: 'secrets://wa_access_token_1' })
  await desk.admin('numbers', 'resume', ...id)
  await desk.admin('numbers', 'cap', ...id, '--monthly', '1000')
  expect(await one()).toMatchObject({ state: 'live', paused_reason: null, monthly_cap: 1000 })
  await desk.admin('numbers', 'cap', ...id, '--monthly', 'none')
  expect(await one()).toMatchObject({ monthly_cap: null })
  expect(await desk.refusal('numbers', 'resume', '--phone-id', '99999')).toContain('numbers list')
})

test('a second Meta app has secrets of its own, by reference', async () => {
  const refs = [
    '--secret-ref',
    'secrets://wa_app_secret_b',
    '--verify-ref',
    'secrets://wa_webhook_verify_token_b',
  ]
  await desk.admin('apps', 'add', '--name', 'second', ...refs)
  expect(await desk.refusal('apps', 'add', '--name', 'second', ...refs)).toContain('already a Meta app')
  expect((await desk.admin('apps', 'list')).text).toMatch(/^second +secrets:\/\/wa_app_secret_b +- /m)
  await desk.admin(
    'numbers',
    'add',
    '--phone-id',
    '20485760000',
    '--waba',
    '55555',
    '--label',
    'B',
    '--app',
    'second',
    '--client',
    'desk',
  )
  expect((await desk.admin('numbers', 'list')).text).toMatch(/^20485760000 .* desk +second /m)
})
