import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SendPolicy } from '../../../server/auth/grants.ts'
import { Listener } from '../../../server/db/listener.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { decide } from '../../../server/outbound/approval.ts'
import type { SendRequest } from '../../../server/outbound/outbound.ts'
import { send } from '../../../server/outbound/send.ts'
import { type Desk, messageRow, type Setup, startDesk } from './desk.ts'
import { addContact } from './fixtures.ts'

let desk: Desk
let app: Database

beforeAll(async () => {
  desk = await startDesk()
  const { databaseUrl: url, databasePassword: password } = desk.harness.config
  app = connect({ url, role: 'wa_app', password, max: 2 })
})
afterAll(async () => {
  await app?.end({ timeout: 1 })
  await desk?.stop()
})

const sentOf = ({ number }: Pick<Setup, 'number'>) =>
  desk.graph.sent.filter(({ numberId }) => numberId === number.waId)
const withPolicy = (policy: SendPolicy, o: Parameters<Desk['setUp']>[0] = {}) =>
  desk.setUp({ ...o, grant: { policy } })

test('under approval a message waits, and only the operator’s word sends it', async () => {
  const setup = await withPolicy('approval')
  const { output } = await setup.say('please?')
  expect(output).toMatchObject({ state: 'pending_approval', wamid: null })
  expect(output.warnings).toEqual([expect.stringContaining('operator')])
  // The same call again changes nothing.
  expect((await setup.say('please?', { idempotency_key: output.idempotency_key })).output.state).toBe(
    'pending_approval',
  )
  const events = await desk.harness.db
    .sql`select 1 from outbox where data ->> 'messageId' = ${String(output.message_id)}`
  expect(events).toHaveLength(0)
  expect(sentOf(setup)).toHaveLength(0)

  await decide(app, String(output.message_id), 'release')
  await expect.poll(async () => (await messageRow(desk.harness, output.message_id)).status).toBe('accepted')
  expect(sentOf(setup)).toHaveLength(1)
  await expect(decide(app, String(output.message_id), 'release')).rejects.toMatchObject({
    code: 'not_pending',
  })
})

test('a rejected message is never sent', async () => {
  const setup = await withPolicy('approval')
  const { output } = await setup.say('please?', { idempotency_key: 'no' })
  await decide(app, String(output.message_id), 'reject')
  expect((await setup.say('please?', { idempotency_key: 'no' })).error.code).toBe('approval_rejected')
  await expect(decide(app, String(output.message_id), 'release')).rejects.toMatchObject({
    code: 'not_pending',
  })
  expect(sentOf(setup)).toHaveLength(0)
})

test('two operators at once release it once', async () => {
  const setup = await withPolicy('approval')
  const { output } = await setup.say('please?')
  const id = String(output.message_id)
  const words = await Promise.allSettled([decide(app, id, 'release'), decide(app, id, 'release')])
  expect(words.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  await expect.poll(async () => (await messageRow(desk.harness, id)).status).toBe('accepted')
  expect(sentOf(setup)).toHaveLength(1)
})

test('a client that cannot ask leaves it to the operator, though it might', async () => {
  const setup = await desk.setUp({ grant: { policy: 'approval', approveInClient: true } })
  expect((await setup.say('please?')).output.state).toBe('pending_approval')
})

test.each([
  ['yes', 'accepted'],
  ['no', 'approval_declined'],
  ['unavailable', 'pending_approval'],
] as const)('asked in the client, the person says %s: %s', async (answer, wanted) => {
  const setup = await desk.setUp({ grant: { policy: 'approval', approveInClient: true } })
  const asked: unknown[] = []
  const outcome = await sendWith(setup, async (_, detail) => {
    asked.push(detail)
    return answer
  }).then(
    ({ state }) => state,
    ({ code }: { code: string }) => code,
  )
  expect(outcome).toBe(wanted)
  expect(asked).toEqual([{ from: 'number of a test', to: setup.contact, type: 'text', text: 'please?' }])
  expect(sentOf(setup)).toHaveLength(answer === 'yes' ? 1 : 0)
})

test('where the operator keeps the word to themselves, the person at the client is not asked', async () => {
  const setup = await withPolicy('approval')
  const confirm = () => Promise.reject(new Error('asked'))
  expect((await sendWith(setup, confirm, false)).state).toBe('pending_approval')
})

/** A send under approval, with the person at the client played by the test. */
async function sendWith(setup: Setup, confirm: SendRequest['confirm'], approveInClient = true) {
  const { id, waId, wabaId } = setup.number
  const number = { id, waId, wabaId, label: 'number of a test', pausedAt: null, monthlyBillableCap: null }
  const grant = { id: null, number, dailyCap: null, sendPolicy: 'approval', approveInClient }
  const { databaseUrl: url, databasePassword: password } = desk.harness.config
  const listener = new Listener({ url, role: 'wa_app', password })
  const request = {
    identity: { keyId: null, clientId: setup.client.id },
    grant,
    requestId: 'test',
    to: { conversation_id: setup.contact },
    draft: { type: 'text', payload: { body: 'please?' }, body: 'please?', isTemplate: false },
    dryRun: false,
    waitS: 5,
    signal: new AbortController().signal,
    confirm,
  }
  return await send(
    { sql: app, listener, stopping: new AbortController().signal },
    request as unknown as SendRequest,
  ).finally(() => listener.close())
}

test('a dry run says that it would wait', async () => {
  const setup = await withPolicy('approval')
  expect((await setup.say('please?', { dry_run: true })).output).toMatchObject({
    state: 'dry_run',
    warnings: ['It would wait for approval.'],
  })
})

test('templates_only lets no free text through', async () => {
  const setup = await withPolicy('templates_only')
  expect((await setup.say('hello')).error).toMatchObject({ code: 'policy_denied', category: 'permission' })
})

test('window_only lets nothing through once the window is closed, templates neither', async () => {
  const setup = await withPolicy('window_only')
  const { sql } = desk.harness.db
  await sql`
    insert into templates (wa_business_account_id, name, language, category, status, components)
    values (${setup.number.wabaId}, 'ready', 'en', 'UTILITY', 'APPROVED', '[{"type":"BODY","text":"Ready."}]')`
  const template = { to: setup.contact, name: 'ready', language: 'en', dry_run: true }
  expect((await setup.call('send_template', template)).output.state).toBe('dry_run')
  await sql`update contacts set window_expires_at = now() where id = ${setup.contact}`
  expect((await setup.call('send_template', template)).error.code).toBe('policy_denied')
  expect((await setup.say('hello')).error).toMatchObject({ code: 'window_closed', templates: [] })
})

test('known_contacts lets through who has written before', async () => {
  const setup = await withPolicy('known_contacts')
  const stranger = await addContact(desk.harness.db.sql, setup.number, { inWindow: false })
  expect((await setup.say('hello')).output.state).toBe('accepted')
  expect((await setup.call('send_message', { to: stranger, body: 'x' })).error.code).toBe('policy_denied')
  const unheard = { to: '+15559990000', body: 'x' }
  expect((await setup.call('send_message', unheard)).error.code).toBe('policy_denied')
})

test('a paused number takes nothing', async () => {
  const setup = await desk.setUp()
  await desk.harness.db.sql`
    update phone_numbers set paused_at = now(), paused_reason = 'a test' where id = ${setup.number.id}`
  await expect
    .poll(async () => (await setup.say('hello', { dry_run: true })).error)
    .toMatchObject({
      code: 'number_paused',
      category: 'account',
      retryable: true,
    })
})
