import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { type AdminDesk, idOf, startAdminDesk, tokenOf } from './admin-desk.ts'
import { rpc } from './harness.ts'

let desk: AdminDesk

beforeAll(async () => {
  desk = await startAdminDesk()
})
afterAll(() => desk?.harness.stop())

test('D4.8 refusals are audited too: of keys, of calls, of deliveries', async () => {
  const token = tokenOf(await desk.admin('keys', 'mint', '--client', 'desk', '--label', 'no scopes'))
  const call = (key: string, name: string) =>
    rpc(desk.harness.origin, key, {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: {} },
    })
  await call(token, 'list_conversations')
  await call(token, 'no_such_tool')
  expect((await call(`wamcp_live_${'a'.repeat(28)}`, 'ping')).status).toBe(401)
  await fetch(`${desk.harness.origin}/webhook/meta`, {
    method: 'POST',
    body: '{}',
    headers: { 'x-hub-signature-256': 'sha256=00' },
  })
  const refused = async () =>
    await desk.harness.db.sql<Record<string, unknown>[]>`
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

test('audit tail shows who did what, and verify says whether the chain holds', async () => {
  await desk.admin(
    'keys',
    'rotate',
    idOf(await desk.admin('keys', 'mint', '--client', 'desk', '--label', 'x')),
  )
  const { text } = await desk.admin('audit', 'tail', '--lines', '500')
  expect(text).toMatch(/admin\.keys\.rotate +ok +desk/)
  expect((await desk.admin('audit', 'tail', '--refused', '--lines', '1')).data).toMatchObject([
    { outcome: expect.stringMatching(/^(refused|failed)$/) },
  ])
  expect(
    ((await desk.admin('audit', 'tail', '--client', 'desk')).data as { client: string }[]).map(
      (row) => row.client,
    ),
  ).not.toContain('owner')
  expect((await desk.admin('audit', 'verify')).text).toContain('The chain holds')
  expect(await verifyAudit(desk.harness.db.sql)).toMatchObject({ ok: true })
  const closed = await desk.admin('audit', 'close')
  expect(closed.data).toEqual({ file: expect.stringMatching(/audit-1-\d+-[0-9a-f]{8}\.ndjson\.gz$/) })
  expect((await desk.lastEntries(1))[0]).toMatchObject({ action: 'admin.audit.close', outcome: 'ok' })
  expect((await desk.admin('audit', 'verify')).text).toContain('1 closed segments')
  await desk.harness.db.sql`update audit_log set outcome = 'failed' where id = 2`
  expect(await desk.admin('audit', 'verify', '--table-only')).toMatchObject({
    failed: true,
    text: expect.stringContaining('row 2'),
  })
})

test('a change that cannot be audited does not happen', async () => {
  await desk.harness.db.sql`revoke update on audit_head from wa_app`
  await expect(desk.admin('clients', 'create', '--name', 'ghost', '--display-name', 'x')).rejects.toThrow(
    'permission denied',
  )
  await desk.harness.db.sql`grant update on audit_head to wa_app`
  expect(await desk.harness.db.sql`select 1 from clients where name = 'ghost'`).toHaveLength(0)
})
