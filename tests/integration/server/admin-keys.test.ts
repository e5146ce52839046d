import { afterAll, beforeAll, expect, test } from 'vitest'
import { runAdmin } from '../../../server/admin/cli.ts'
import { type AdminDesk, idOf, PHONE, startAdminDesk, tokenOf } from './admin-desk.ts'
import { SECRETS } from './harness.ts'

let desk: AdminDesk

beforeAll(async () => {
  desk = await startAdminDesk()
})
afterAll(() => desk?.harness.stop())

test('D4.2 a wildcard is refused for anybody but the owner', async () => {
  const mint = ['keys', 'mint', '--label', 'x', '--scopes', '*', '--client']
  expect(await desk.refusal(...mint, 'desk')).toContain('Only the owner may have the scope *')
  expect(
    await desk.harness.db.sql`select 1 from api_keys k join clients c on c.id = k.client_id
    where c.name = 'desk' and k.scopes @> '["*"]'`,
  ).toHaveLength(0)
  expect((await desk.lastEntries(1))[0]).toMatchObject({
    action: 'admin.keys.mint',
    outcome: 'refused',
    transport: 'cli',
  })
  expect(tokenOf(await desk.admin(...mint, 'owner'))).not.toBe('')
})

test('D4.3 a key is shown once, on standard error; the database has 32 bytes of hash and 12 characters', async () => {
  const scopes = `tools:send_message,numbers:${PHONE}`
  const minted = await desk.admin(
    ...['keys', 'mint', '--client', 'desk', '--label', 'laptop', '--scopes', scopes],
    ...['--rpm', '7', '--daily', '9', '--expires', '90d'],
  )
  const token = tokenOf(minted)
  expect(token).not.toBe('')
  const { aside: _, ...rest } = minted
  expect(JSON.stringify(rest)).not.toContain(token)
  const [row] = await desk.harness.db.sql<Record<string, unknown>[]>`
    select prefix, length(hash) as bytes, scopes, rpm_limit, daily_msg_limit, api_keys::text as everything
    from api_keys where id = ${idOf(minted)}`
  expect(row).toMatchObject({ prefix: token.slice(11, 23), bytes: 32, rpm_limit: 7, daily_msg_limit: 9 })
  expect(row?.scopes).toEqual(['tools:send_message', `numbers:${PHONE}`])
  expect(row?.everything).not.toContain(token.slice(23))
  const [entry] = await desk.harness.db.sql<
    { text: string }[]
  >`select audit_log::text as text from audit_log order by id desc limit 1`
  expect(entry?.text).toContain('admin.keys.mint')
  expect(entry?.text).not.toContain(token.slice(11, 23))
})

test('D4.6 rotation: both keys work for the grace period and the old one not longer', async () => {
  const old = await desk.admin('keys', 'mint', '--client', 'desk', '--label', 'server', '--rpm', '77')
  const rotated = await desk.admin('keys', 'rotate', idOf(old))
  const [row] = await desk.harness.db.sql<
    { seconds: number; rotated_from_id: string; rpm: number; expires_at: Date | null }[]
  >`
    select extract(epoch from o.expires_at - now())::float8 as seconds, n.rotated_from_id, n.rpm_limit as rpm, n.expires_at
    from api_keys n join api_keys o on o.id = n.rotated_from_id where n.id = ${idOf(rotated)}`
  expect(row).toMatchObject({ rotated_from_id: idOf(old), rpm: 77, expires_at: null })
  expect(row?.seconds).toBeGreaterThan(7 * 86_400 - 60)
  expect(row?.seconds).toBeLessThanOrEqual(7 * 86_400)
  expect([await desk.status(tokenOf(old)), await desk.status(tokenOf(rotated))]).toEqual([200, 200])
  await desk.harness.db.sql`update api_keys set expires_at = now() - interval '1 s' where id = ${idOf(old)}`
  await expect.poll(() => desk.status(tokenOf(old)), { timeout: 2_000 }).toBe(401)
  expect(await desk.status(tokenOf(rotated))).toBe(200)
  expect(await desk.refusal('keys', 'rotate', idOf(old))).toContain('There is no live key')
})

test('D4.6 a key that ends before the grace does is not prolonged, and its successor lives as long as it did', async () => {
  const old = await desk.admin('keys', 'mint', '--client', 'desk', '--label', 'short', '--expires', '2d')
  const rotated = await desk.admin('keys', 'rotate', idOf(old), '--grace', '7d')
  const [row] = await desk.harness.db.sql<{ old: number; new: number }[]>`
    select extract(epoch from o.expires_at - now())::float8 as old, extract(epoch from n.expires_at - now())::float8 as new
    from api_keys n join api_keys o on o.id = n.rotated_from_id where n.id = ${idOf(rotated)}`
  expect(row?.old).toBeLessThanOrEqual(2 * 86_400)
  expect(row?.new).toBeGreaterThan(2 * 86_400 - 60)
  const short = await desk.admin('keys', 'rotate', idOf(rotated), '--grace', '15m')
  const [again] = await desk.harness.db.sql<{ seconds: number }[]>`
    select extract(epoch from expires_at - now())::float8 as seconds from api_keys where id = ${idOf(rotated)}`
  expect(again?.seconds).toBeLessThanOrEqual(900)
  expect(idOf(short)).not.toBe(idOf(rotated))
})

test('the pepper of the configuration is what minted keys are hashed under', async () => {
  const { previousPepper: other } = SECRETS
  const minted = await runAdmin(['keys', 'mint', '--client', 'desk', '--label', 'x'], () => ({
    ...desk.harness.config,
    pepper: other,
  }))
  expect(await desk.status(tokenOf(minted))).toBe(401)
})
