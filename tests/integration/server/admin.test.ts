import { afterAll, beforeAll, expect, test } from 'vitest'
import { runAdmin } from '../../../server/admin/cli.ts'
import { AdminError } from '../../../server/admin/report.ts'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { addContact } from './fixtures.ts'
import { type Harness, rpc, SECRETS, startHarness } from './harness.ts'

let harness: Harness
const PHONE = '104857600000001'

beforeAll(async () => {
  harness = await startHarness()
  await admin('clients', 'create', '--name', 'owner', '--display-name', 'Owner', '--owner')
  await admin('clients', 'create', '--name', 'desk', '--display-name', 'Support desk')
  await admin('numbers', 'add', '--phone-id', PHONE, '--waba', '100000000000009', '--label', 'Shop')
})
afterAll(() => harness?.stop())

const admin = (...args: string[]) =>
  runAdmin(args, () => ({ ...harness.config, logLevel: 'silent' as const }))
const refusal = async (...args: string[]) => {
  const error = await admin(...args).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AdminError)
  return (error as Error).message
}
const tokenOf = ({ aside }: { aside?: string }) => /^wamcp_live_\S{28}$/m.exec(aside ?? '')?.[0] ?? ''
const idOf = ({ data }: { data: unknown }) => (data as { id: string }).id
const lastEntries = (count: number) => harness.db.sql<Record<string, unknown>[]>`
  select action, outcome, transport, client_id, phone_number_id, detail from audit_log where transport = 'cli' order by id desc limit ${count}`
const status = async (token: string) =>
  (await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/list' })).status

test('D1.2 a second owner is refused, by the command and by the database', async () => {
  const message = await refusal('clients', 'create', '--name', 'two', '--display-name', 'Two', '--owner')
  expect(message).toBe('There is already an owner, owner, and there can be one only. Leave out --owner.')
  await expect(
    harness.db.sql`insert into clients (name, display_name, is_owner) values ('two', 'Two', true)`,
  ).rejects.toThrow('clients_one_owner_uq')
  expect(await refusal('clients', 'create', '--name', 'desk', '--display-name', 'x')).toContain(
    'already a client',
  )
})

test('D4.2 a wildcard is refused for anybody but the owner', async () => {
  const mint = ['keys', 'mint', '--label', 'x', '--scopes', '*', '--client']
  expect(await refusal(...mint, 'desk')).toContain('Only the owner may have the scope *')
  expect(
    await harness.db.sql`select 1 from api_keys k join clients c on c.id = k.client_id
    where c.name = 'desk' and k.scopes @> '["*"]'`,
  ).toHaveLength(0)
  expect((await lastEntries(1))[0]).toMatchObject({
    action: 'admin.keys.mint',
    outcome: 'refused',
    transport: 'cli',
  })
  expect(tokenOf(await admin(...mint, 'owner'))).not.toBe('')
})

test('D4.3 a key is shown once, on standard error; the database has 32 bytes of hash and 12 characters', async () => {
  const scopes = `tools:send_message,numbers:${PHONE}`
  const minted = await admin(
    ...['keys', 'mint', '--client', 'desk', '--label', 'laptop', '--scopes', scopes],
    ...['--rpm', '7', '--daily', '9', '--expires', '90d'],
  )
  const token = tokenOf(minted)
  expect(token).not.toBe('')
  const { aside: _, ...rest } = minted
  expect(JSON.stringify(rest)).not.toContain(token)
  const [row] = await harness.db.sql<Record<string, unknown>[]>`
    select prefix, length(hash) as bytes, scopes, rpm_limit, daily_msg_limit, api_keys::text as everything
    from api_keys where id = ${idOf(minted)}`
  expect(row).toMatchObject({ prefix: token.slice(11, 23), bytes: 32, rpm_limit: 7, daily_msg_limit: 9 })
  expect(row?.scopes).toEqual(['tools:send_message', `numbers:${PHONE}`])
  expect(row?.everything).not.toContain(token.slice(23))
  const [entry] = await harness.db.sql<
    { text: string }[]
  >`select audit_log::text as text from audit_log order by id desc limit 1`
  expect(entry?.text).toContain('admin.keys.mint')
  expect(entry?.text).not.toContain(token.slice(11, 23))
})

test('D4.6 rotation: both keys work for the grace period and the old one not longer', async () => {
  const old = await admin('keys', 'mint', '--client', 'desk', '--label', 'server', '--rpm', '77')
  const rotated = await admin('keys', 'rotate', idOf(old))
  const [row] = await harness.db.sql<
    { seconds: number; rotated_from_id: string; rpm: number; expires_at: Date | null }[]
  >`
    select extract(epoch from o.expires_at - now())::float8 as seconds, n.rotated_from_id, n.rpm_limit as rpm, n.expires_at
    from api_keys n join api_keys o on o.id = n.rotated_from_id where n.id = ${idOf(rotated)}`
  expect(row).toMatchObject({ rotated_from_id: idOf(old), rpm: 77, expires_at: null })
  expect(row?.seconds).toBeGreaterThan(7 * 86_400 - 60)
  expect(row?.seconds).toBeLessThanOrEqual(7 * 86_400)
  expect([await status(tokenOf(old)), await status(tokenOf(rotated))]).toEqual([200, 200])
  await harness.db.sql`update api_keys set expires_at = now() - interval '1 s' where id = ${idOf(old)}`
  await expect.poll(() => status(tokenOf(old)), { timeout: 2_000 }).toBe(401)
  expect(await status(tokenOf(rotated))).toBe(200)
  expect(await refusal('keys', 'rotate', idOf(old))).toContain('There is no live key')
})

test('D4.6 a key that ends before the grace does is not prolonged, and its successor lives as long as it did', async () => {
  const old = await admin('keys', 'mint', '--client', 'desk', '--label', 'short', '--expires', '2d')
  const rotated = await admin('keys', 'rotate', idOf(old), '--grace', '7d')
  const [row] = await harness.db.sql<{ old: number; new: number }[]>`
    select extract(epoch from o.expires_at - now())::float8 as old, extract(epoch from n.expires_at - now())::float8 as new
    from api_keys n join api_keys o on o.id = n.rotated_from_id where n.id = ${idOf(rotated)}`
  expect(row?.old).toBeLessThanOrEqual(2 * 86_400)
  expect(row?.new).toBeGreaterThan(2 * 86_400 - 60)
  const short = await admin('keys', 'rotate', idOf(rotated), '--grace', '15m')
  const [again] = await harness.db.sql<{ seconds: number }[]>`
    select extract(epoch from expires_at - now())::float8 as seconds from api_keys where id = ${idOf(rotated)}`
  expect(again?.seconds).toBeLessThanOrEqual(900)
  expect(idOf(short)).not.toBe(idOf(rotated))
})

test('a disabled client is refused at once and works again when it is enabled', async () => {
  const token = tokenOf(await admin('keys', 'mint', '--client', 'desk', '--label', 'x'))
  expect(await status(token)).toBe(200)
  await admin('clients', 'disable', 'desk')
  await expect.poll(() => status(token), { timeout: 2_000 }).toBe(401)
  expect((await admin('clients', 'list')).text).toMatch(/^desk .* disabled /m)
  await admin('clients', 'enable', 'desk')
  expect(await status(token)).toBe(200)
  expect(await refusal('clients', 'disable', 'nobody')).toContain('clients create')
})

test('grants: one live one per client and number, with its terms; revoked at once', async () => {
  const which = ['--client', 'desk', '--phone', PHONE]
  await admin(
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
  expect(await refusal('grants', 'add', ...which)).toContain('grants revoke --client desk')
  const listed = await admin('grants', 'list', '--client', 'desk')
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
  expect(await lastEntries(2)).toMatchObject([
    { action: 'admin.grants.add', outcome: 'refused' },
    {
      action: 'admin.grants.add',
      outcome: 'ok',
      phone_number_id: PHONE,
      detail: { daily_cap: 5, policy: 'approval' },
    },
  ])
  await admin('grants', 'revoke', ...which)
  expect(await refusal('grants', 'revoke', ...which)).toContain('has no grant')
  await admin('grants', 'add', ...which)
  expect((await admin('grants', 'list')).data).toMatchObject([
    { verbs: ['read'], tools: null, policy: 'any' },
  ])
  expect(await refusal('grants', 'add', '--client', 'desk', '--phone', '999999')).toContain('numbers add')
})

test('numbers: added once, booked to the owner, switched, capped, and given another token', async () => {
  const id = ['--phone-id', PHONE]
  const one = async () => ((await admin('numbers', 'list', '--json')).data as Record<string, unknown>[])[0]
  expect(await one()).toMatchObject({ phone_id: PHONE, client: 'owner', app: 'default', state: 'live' })
  // Its templates are being fetched before an agent asks for them.
  const [event] = await harness.db.sql`select data from outbox where name = 'wa/templates.sync.requested'`
  expect(event?.data).toEqual({ wabaId: '100000000000009' })
  expect(await refusal('numbers', 'add', ...id, '--waba', '100000000000009', '--label', 'x')).toContain(
    'already a number',
  )
  expect(
    await refusal(
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
  await admin('numbers', 'disable', ...id)
  expect(await one()).toMatchObject({ state: 'disabled' })
  await admin('numbers', 'enable', ...id)
  await harness.db.sql`update phone_numbers set paused_at = now(), paused_reason = 'token refused'`
  const rotated = await admin('numbers', 'rotate-token', ...id, '--token-ref', 'secrets://wa_access_token_1')
  expect(rotated.text).toContain('still paused')
  expect(await one()).toMatchObject({ state: 'paused', token_ref: 'secrets://wa_access_token_1' })
  await admin('numbers', 'resume', ...id)
  await admin('numbers', 'cap', ...id, '--monthly', '1000')
  expect(await one()).toMatchObject({ state: 'live', paused_reason: null, monthly_cap: 1000 })
  await admin('numbers', 'cap', ...id, '--monthly', 'none')
  expect(await one()).toMatchObject({ monthly_cap: null })
  expect(await refusal('numbers', 'resume', '--phone-id', '99999')).toContain('numbers list')
})

test('a second Meta app has secrets of its own, by reference', async () => {
  const refs = [
    '--secret-ref',
    'secrets://wa_app_secret_b',
    '--verify-ref',
    'secrets://wa_webhook_verify_token_b',
  ]
  await admin('apps', 'add', '--name', 'second', ...refs)
  expect(await refusal('apps', 'add', '--name', 'second', ...refs)).toContain('already a Meta app')
  expect((await admin('apps', 'list')).text).toMatch(/^second +secrets:\/\/wa_app_secret_b +- /m)
  await admin(
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
  expect((await admin('numbers', 'list')).text).toMatch(/^20485760000 .* desk +second /m)
})

test('a message that waits is shown with its text, released or rejected once, and audited without the text', async () => {
  const [number] = await harness.db.sql<{ id: string; client_id: string }[]>`
    select id, client_id from phone_numbers where wa_phone_number_id = ${PHONE}`
  const contact = await addContact(harness.db.sql, { id: number?.id ?? '', waId: PHONE, wabaId: '' })
  const wait = async () => {
    const [row] = await harness.db.sql<{ id: string }[]>`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status)
      values (${number?.id ?? ''}, ${contact}, ${number?.client_id ?? ''}, 'outbound', 'text', 'canary text', 'pending_approval')
      returning id`
    return row?.id ?? ''
  }
  const [first, second] = [await wait(), await wait()]
  expect((await admin('approvals', 'list')).text).toMatch(
    new RegExp(`^${first} .* owner +${PHONE} +text +canary text$`, 'm'),
  )
  await admin('approvals', 'reject', first)
  await admin('approvals', 'release', second)
  const rows = await harness.db.sql`select status from messages where id = ${first}`
  expect(rows).toMatchObject([{ status: 'rejected' }])
  expect(await refusal('approvals', 'release', first)).toContain('approvals list')
  const entries = await lastEntries(3)
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
  expect(JSON.stringify(await harness.db.sql`select * from audit_log`)).not.toContain('canary')
})

test('replayed deliveries are put back into the outbox', async () => {
  await harness.db.sql`insert into webhook_events (sha256, body, received_at, processed_at)
    select sha256(n::text::bytea), '{}', now() - make_interval(hours => n), now() from generate_series(1, 3) n`
  const replayed = await admin('events', 'replay', '--since', '150m')
  expect(replayed.data).toMatchObject({ events: 2 })
  expect((await lastEntries(1))[0]).toMatchObject({ action: 'admin.events.replay', detail: { events: 2 } })
})

test('rows of the outbox are shown, held, released, tried again and discarded', async () => {
  // A row due in a year: the server of this test leaves it alone.
  const [row] = await harness.db.sql<{ id: string }[]>`
    insert into outbox (name, data, state, run_after, last_error)
    values ('wa/templates.sync.requested', '{"wabaId":"1"}', 'dead', now() + interval '1 year', 'canary') returning id`
  const id = row?.id ?? ''
  const state = async () => (await harness.db.sql`select state from outbox where id = ${id}`)[0]?.state
  expect((await admin('outbox', 'show', '--state', 'dead', '--lines', '1')).text).toMatch(
    new RegExp(`^${id} .* canary$`, 'm'),
  )
  await harness.db.sql`update outbox set state = 'ready' where id = ${id}`
  await admin('outbox', 'hold')
  expect(await state()).toBe('held')
  await admin('outbox', 'release', '--all')
  expect(await state()).toBe('ready')
  await admin('outbox', 'discard', id)
  expect(await state()).toBeUndefined()
  expect(await refusal('outbox', 'retry', id)).toContain('There is no row')
  expect((await lastEntries(2))[1]).toMatchObject({
    action: 'admin.outbox.discard',
    detail: { row_id: Number(id) },
  })
})

test('D4.8 refusals are audited too: of keys, of calls, of deliveries', async () => {
  const token = tokenOf(await admin('keys', 'mint', '--client', 'desk', '--label', 'no scopes'))
  const call = (key: string, name: string) =>
    rpc(harness.origin, key, { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } })
  await call(token, 'list_conversations')
  await call(token, 'no_such_tool')
  expect((await call(`wamcp_live_${'a'.repeat(28)}`, 'ping')).status).toBe(401)
  await fetch(`${harness.origin}/webhook/meta`, {
    method: 'POST',
    body: '{}',
    headers: { 'x-hub-signature-256': 'sha256=00' },
  })
  const refused = async () =>
    await harness.db.sql<Record<string, unknown>[]>`
      select distinct a.action, a.transport, a.tool, a.error_class, c.name as client from audit_log a
      left join clients c on c.id = a.client_id where a.outcome = 'refused' and a.transport <> 'cli'`
  await expect
    .poll(refused, { timeout: 5_000 })
    .toEqual(
      expect.arrayContaining([
        expect.objectContaining({ action: 'tool.call', client: 'desk', tool: 'list_conversations' }),
        expect.objectContaining({ action: 'tool.call', client: 'desk', error_class: 'unknown_tool' }),
        expect.objectContaining({ action: 'auth.refused', transport: 'http', client: null }),
        expect.objectContaining({ action: 'webhook.refused', transport: 'webhook' }),
      ]),
    )
})

test('usage counts per day, client and number, and what is billable this month', async () => {
  const { data, text } = await admin('usage')
  expect(data).toMatchObject({ days: [{ client: 'owner', phone: PHONE, received: 0 }] })
  expect(text).toContain('BILLABLE')
  expect((await admin('usage', '--client', 'tests', '--days', '0')).data).toMatchObject({ days: [] })
})

test('audit tail shows who did what, and verify says whether the chain holds', async () => {
  const { text } = await admin('audit', 'tail', '--lines', '500')
  expect(text).toMatch(/admin\.keys\.rotate +ok +desk/)
  expect((await admin('audit', 'tail', '--refused', '--lines', '1')).data).toMatchObject([
    { outcome: expect.stringMatching(/^(refused|failed)$/) },
  ])
  expect(
    ((await admin('audit', 'tail', '--client', 'desk')).data as { client: string }[]).map(
      (row) => row.client,
    ),
  ).not.toContain('owner')
  expect((await admin('audit', 'verify')).text).toContain('The chain holds')
  expect(await verifyAudit(harness.db.sql)).toMatchObject({ ok: true })
  const closed = await admin('audit', 'close')
  expect(closed.data).toEqual({ file: expect.stringMatching(/audit-1-\d+-[0-9a-f]{8}\.ndjson\.gz$/) })
  expect((await lastEntries(1))[0]).toMatchObject({ action: 'admin.audit.close', outcome: 'ok' })
  expect((await admin('audit', 'verify')).text).toContain('1 closed segments')
  await harness.db.sql`update audit_log set outcome = 'failed' where id = 2`
  expect(await admin('audit', 'verify', '--table-only')).toMatchObject({
    failed: true,
    text: expect.stringContaining('row 2'),
  })
})

test('a change that cannot be audited does not happen', async () => {
  await harness.db.sql`revoke update on audit_head from wa_app`
  await expect(admin('clients', 'create', '--name', 'ghost', '--display-name', 'x')).rejects.toThrow(
    'permission denied',
  )
  await harness.db.sql`grant update on audit_head to wa_app`
  expect(await harness.db.sql`select 1 from clients where name = 'ghost'`).toHaveLength(0)
})

test('the pepper of the configuration is what minted keys are hashed under', async () => {
  const { previousPepper: other } = SECRETS
  const minted = await runAdmin(['keys', 'mint', '--client', 'desk', '--label', 'x'], () => ({
    ...harness.config,
    pepper: other,
  }))
  expect(await status(tokenOf(minted))).toBe(401)
})
