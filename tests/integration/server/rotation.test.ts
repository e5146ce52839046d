import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { runAdmin } from '../../../server/admin/cli.ts'
import { checkNumbers } from '../../../server/admin/number-check.ts'
import { createLogger } from '../../../server/log.ts'
import { signTicket } from '../../../server/media/signed-url.ts'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'
import { addClient, addNumber, type TestNumber } from './fixtures.ts'
import { type Harness, rpc, SECRETS, sign, startHarness } from './harness.ts'

/** What the server and its commands do for a rotation of secrets. */

const PREVIOUS_MEDIA = new Secret('6f'.repeat(32))
const NAMES = { own: 'wa_access_token_own', app: 'wa_app_secret' }

let harness: Harness
let graph: FakeGraph
let number: TestNumber

beforeAll(async () => {
  graph = await startFakeGraph({ tokens: ['token-before-the-rotation'] })
  harness = await startHarness(() => ({
    previousPepper: { pepper: SECRETS.previousPepper, expires: new Date(Date.now() + 60_000) },
    previousMediaSigningSecret: PREVIOUS_MEDIA,
    graphUrl: graph.url,
    // As on a host: nothing is given by the environment, all are files.
    secretOverrides: new Map(),
  }))
  const owner = await addClient(harness.db.sql, 'owner', { owner: true })
  number = await addNumber(harness.db.sql, owner, { tokenRef: `secrets://${NAMES.own}` })
  graph.numbers.set(number.waId, number.wabaId)
})
afterAll(async () => {
  await harness?.stop()
  await graph?.stop()
})
afterEach(() => graph.behave(undefined))

const admin = (...args: string[]) =>
  runAdmin(args, () => ({ ...harness.config, logLevel: 'silent' as const }))
const put = (name: string, value: string) => writeFile(join(harness.secretsDir, name), value)
const context = () => ({
  sql: harness.db.sql,
  pool: harness.db.sql,
  config: harness.config,
  log: createLogger('silent'),
})
const tools = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

test('numbers check says of each number what Meta says, with the token that is there at that moment', async () => {
  await rm(join(harness.secretsDir, NAMES.own), { force: true })
  const missing = await admin('numbers', 'check', '--json')
  expect(missing.failed).toBe(true)
  expect(missing.text).toContain(`secrets://${NAMES.own} is not on this host`)
  await put(NAMES.own, 'token-before-the-rotation')
  const good = await admin('numbers', 'check', '--token-ref', `secrets://${NAMES.own}`)
  expect(good.failed).toBeUndefined()
  expect(good.data).toEqual({
    numbers: [expect.objectContaining({ phone_id: number.waId, ok: true, code: null })],
  })
  await put(NAMES.own, 'token-that-was-revoked')
  const bad = await admin('numbers', 'check')
  expect(bad.failed).toBe(true)
  expect(bad.data).toEqual({ numbers: [expect.objectContaining({ ok: false, code: 190 })] })
  expect(JSON.stringify(bad)).not.toContain('token-that-was-revoked')
})

test('numbers check asks with another token where one is given, and tells no answer from a refusal', async () => {
  const check = (token: string) =>
    checkNumbers({ phoneId: undefined, tokenRef: `secrets://${NAMES.own}`, token: new Secret(token) })(
      context(),
    )
  expect((await check('token-before-the-rotation')).failed).toBeUndefined()
  expect((await check('some-other-token')).data).toEqual({
    numbers: [expect.objectContaining({ code: 190 })],
  })
  graph.behave('reset-after-body', 1)
  expect((await check('token-before-the-rotation')).data).toEqual({
    numbers: [expect.objectContaining({ ok: false, code: -1 })],
  })
})

test('numbers check names a number that is not served, and has nothing to say where none uses a token', async () => {
  await expect(admin('numbers', 'check', '--phone-id', '999999999')).rejects.toThrow('no such number')
  const none = await admin('numbers', 'check', '--token-ref', 'secrets://wa_access_token_nobody')
  expect([none.data, none.failed]).toEqual([{ numbers: [] }, undefined])
})

test('a key minted under the previous pepper works and is hashed anew', async () => {
  const minted = await admin(
    'keys',
    'mint',
    '--client',
    'tests',
    '--label',
    'old',
    '--previous-pepper',
    '--json',
  )
  const token = /wamcp_live_\S{28}/.exec(minted.aside ?? '')?.[0]
  const { id } = minted.data as { id: string }
  const hash = async () =>
    (await harness.db.sql<{ hash: string }[]>`select md5(hash) as hash from api_keys where id = ${id}`)[0]
      ?.hash
  const before = await hash()
  expect((await rpc(harness.origin, token, tools)).status).toBe(200)
  expect(await hash()).not.toBe(before)
})

test('without a previous pepper none can be minted under it', async () => {
  const config = () => ({ ...harness.config, previousPepper: undefined, logLevel: 'silent' as const })
  const mint = ['keys', 'mint', '--client', 'tests', '--label', 'old', '--previous-pepper']
  await expect(runAdmin(mint, config)).rejects.toThrow('no rotation is under way')
})

test('following a probe is on record exactly where the signature was taken, by the current or the previous key', async () => {
  const audited = async (mediaId: string) =>
    harness.db.sql`select 1 from audit_log where action = 'media.read' and detail->>'media_id' = ${mediaId}`
  const { path, media_id: id } = (await admin('media', 'probe')).data as { path: string; media_id: string }
  expect((await fetch(harness.origin + path)).status).toBe(404)
  expect(await audited(id)).toHaveLength(1)
  for (const [secret, entries] of [
    [PREVIOUS_MEDIA, 1],
    [new Secret('70'.repeat(32)), 0],
  ] as const) {
    const mediaId = randomUUID()
    const { token } = signTicket(secret, { mediaId, clientId: randomUUID() }, 60)
    expect((await fetch(`${harness.origin}/media/${token}`)).status).toBe(404)
    expect(await audited(mediaId)).toHaveLength(entries)
  }
})

test('a replaced app secret counts without a restart', async () => {
  await put(NAMES.app, 'app-secret-before-0001')
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [], synthetic: randomUUID() })
  const deliver = async (secret: string) => {
    const headers = {
      'content-type': 'application/json',
      'x-hub-signature-256': sign(body, new Secret(secret)),
    }
    return (await fetch(`${harness.origin}/webhook/meta`, { method: 'POST', headers, body })).status
  }
  await harness.db.sql`select pg_notify('auth_changed', '')`
  await expect.poll(() => deliver('app-secret-before-0001')).toBe(200)
  await put(NAMES.app, 'app-secret-after-00002')
  // What it remembers, it remembers for half a minute, or until it is told.
  await harness.db.sql`select pg_notify('auth_changed', '')`
  await expect.poll(() => deliver('app-secret-after-00002')).toBe(200)
  expect(await deliver('app-secret-before-0001')).toBe(404)
})
