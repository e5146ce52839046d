import { afterAll, beforeAll, expect, test } from 'vitest'
import { revokeKey } from '../../../server/admin/keys.ts'
import { hashToken } from '../../../server/auth/token.ts'
import { createLogger } from '../../../server/log.ts'
import { serve } from '../../../server/serve.ts'
import { type Harness, rpc, SECRETS, startHarness } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await startHarness(() => ({
    previousPepper: { pepper: SECRETS.previousPepper, expires: new Date(Date.now() + 60_000) },
  }))
})
afterAll(() => harness?.stop())

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const status = async (token: string | undefined) => (await rpc(harness.origin, token, list)).status

test('without a good key there is a plain 401 that does not announce OAuth', async () => {
  const { token } = await harness.mint()
  const wrong = token.slice(0, -1) + (token.endsWith('a') ? 'b' : 'a')
  for (const bad of [undefined, 'secret', wrong, token.toUpperCase(), `${token}a`, token.slice(0, 20)]) {
    const response = await rpc(harness.origin, bad, list)
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect(await response.json()).toEqual({ error: 'unauthorized' })
  }
  expect(await status(token)).toBe(200)
})

test('D4.4 a revoked key ends at once, although the server had remembered it', async () => {
  const { id, token } = await harness.mint()
  expect(await status(token)).toBe(200)
  const before = await harness.db
    .sql`select xact_commit from pg_stat_database where datname = current_database()`
  expect(await status(token)).toBe(200)
  expect(before).toHaveLength(1)
  await revokeKey({ id })(harness.db.sql)
  await expect.poll(() => status(token), { interval: 5, timeout: 1_000 }).toBe(401)
})

test('D4.4 an expired key is refused, also when it expires while remembered', async () => {
  const { id, token } = await harness.mint({ expires: '1d' })
  expect(await status(token)).toBe(200)
  await harness.db.sql`update api_keys set expires_at = now() + interval '400 ms' where id = ${id}`
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(await status(token)).toBe(200)
  await expect.poll(() => status(token), { interval: 20, timeout: 2_000 }).toBe(401)
})

test('D4.4 all keys of a disabled client are refused, and work again when it is enabled', async () => {
  const { token } = await harness.mint()
  expect(await status(token)).toBe(200)
  await harness.db.sql`update clients set disabled_at = now() where name = 'tests'`
  await expect.poll(() => status(token), { interval: 5, timeout: 1_000 }).toBe(401)
  await harness.db.sql`update clients set disabled_at = null where name = 'tests'`
  expect(await status(token)).toBe(200)
})

test('D4.10 a key under the previous pepper works and is moved to the current one', async () => {
  const { id, token } = await harness.mint({ pepper: SECRETS.previousPepper })
  expect(await status(token)).toBe(200)
  const [row] = await harness.db.sql<{ hash: Buffer }[]>`select hash from api_keys where id = ${id}`
  expect(row?.hash).toEqual(hashToken(token, SECRETS.pepper))
})

test('D4.10 the previous pepper stops at its end, whatever the key', async () => {
  const { token } = await harness.mint({ pepper: SECRETS.previousPepper })
  const previousPepper = { pepper: SECRETS.previousPepper, expires: new Date(Date.now() - 1) }
  const server = await serve({ ...harness.config, previousPepper }, createLogger('silent'))
  const late = await rpc(`http://127.0.0.1:${server.port}`, token, list)
  await server.stop()
  expect(late.status).toBe(401)
  expect(await status(token)).toBe(200)
})

test('the database keeps neither the token nor anything it could be told from', async () => {
  const { id, token } = await harness.mint()
  const [row] = await harness.db.sql<
    { row: string }[]
  >`select api_keys::text as row from api_keys where id = ${id}`
  expect(row?.row).toContain(token.slice(11, 23))
  expect(row?.row).not.toContain(token.slice(23))
})

test('when a key was last used is written in batches, at the latest when the server stops', async () => {
  const { id, token } = await harness.mint()
  const lastUsed = async () =>
    (await harness.db.sql<{ at: Date | null }[]>`select last_used_at as at from api_keys where id = ${id}`)[0]
      ?.at
  const server = await serve(harness.config, createLogger('silent'))
  expect((await rpc(`http://127.0.0.1:${server.port}`, token, list)).status).toBe(200)
  expect(await lastUsed()).toBeNull()
  await server.stop()
  expect((await lastUsed())?.getTime()).toBeGreaterThan(Date.now() - 10_000)
})

test('no token and no hash is in the log', async () => {
  const { token } = await harness.mint()
  await status(token)
  expect(JSON.stringify(harness.logs)).not.toContain('wamcp_live_')
  expect(JSON.stringify(harness.logs)).not.toContain(token.slice(11))
})
