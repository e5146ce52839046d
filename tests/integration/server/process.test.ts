import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { rpc, SECRETS, sign } from './harness.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let db: TestDatabase
let dir: string
let env: Record<string, string>
let values: Record<string, string>

beforeAll(async () => {
  expect((await run(['server/build.ts'], {})).code).toBe(0)
  db = await createDatabase()
  // By the helper, which takes turns; the command itself is run below and finds nothing to do.
  await db.migrate()
  dir = mkdtempSync(join(tmpdir(), 'server-process-'))
  values = {
    wa_app_secret: SECRETS.appSecret.reveal(),
    wa_webhook_verify_token: SECRETS.verifyToken.reveal(),
    wa_default_access_token: 'access-token-canary-0123456789',
    api_key_pepper: SECRETS.pepper.reveal(),
    media_signing_secret: 'media-signing-canary-0123456789-0123',
    postgres_password: db.superuserPassword.reveal(),
    postgres_owner_password: PASSWORDS.owner.reveal(),
    postgres_app_password: PASSWORDS.app.reveal(),
  }
  for (const [name, value] of Object.entries(values)) writeFileSync(join(dir, name), value, { mode: 0o600 })
  env = {
    DATABASE_URL: db.url.href,
    SECRETS_DIR: dir,
    PUBLIC_URL: 'https://wa.example.org',
    APP_HTTP_PORT: '0',
  }
})
afterAll(async () => {
  await db?.drop()
  rmSync(dir, { recursive: true, force: true })
})

const start = (args: string[], environment: Record<string, string>) =>
  spawn(process.execPath, args, { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })

async function run(args: string[], environment: Record<string, string> = env) {
  const child = start(args, environment)
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await exit, stdout, stderr }
}

const server = (...args: string[]) => run(['dist/server.js', ...args])

async function listen(environment = env) {
  const child = start(['dist/server.js'], environment)
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await expect.poll(() => output, { timeout: 10_000 }).toContain('"listening"')
  const port = Number(/"port":(\d+)/.exec(output)?.[1])
  return { child, port, origin: `http://127.0.0.1:${port}`, exit, output: () => output }
}

test('the commands, from nothing to a revoked key', async () => {
  expect((await db.exclusively(() => server('migrate'))).code).toBe(0)
  const created = await server(
    'clients',
    'create',
    '--name',
    'desk',
    '--display-name',
    'Support desk',
    '--json',
  )
  expect(JSON.parse(created.stdout)).toMatchObject({ name: 'desk' })
  const again = await server('clients', 'create', '--name', 'desk', '--display-name', 'Support desk')
  expect([again.code, again.stderr]).toEqual([1, 'There is already a client named desk.\n'])

  const minted = await server('keys', 'mint', '--client', 'desk', '--label', 'first', '--expires', '90d')
  const token = /^wamcp_live_\S{28}$/m.exec(minted.stderr)?.[0] ?? ''
  expect(minted.stdout).toMatch(new RegExp(`^[0-9a-f-]{36} ${token.slice(11, 23)}\n$`))
  const { origin, child, exit, output } = await listen()
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  expect((await rpc(origin, token, list)).status).toBe(200)

  const [id = ''] = minted.stdout.split(' ')
  expect((await server('keys', 'list')).stdout).toMatch(/^ID .*\n.* desk +first .* live /)
  expect((await server('keys', 'revoke', id)).code).toBe(0)
  await expect.poll(async () => (await rpc(origin, token, list)).status, { timeout: 1_000 }).toBe(401)
  const listed = JSON.parse((await server('keys', 'list', '--client', 'desk', '--json')).stdout)
  expect(listed).toMatchObject([{ id, client: 'desk', state: 'revoked' }])

  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  for (const value of [...Object.values(values), token]) expect(output()).not.toContain(value)
})

test.each([
  [['nonsense'], 2],
  [['serve', 'now'], 2],
  [['keys'], 2],
  [['keys', 'mint', '--client', 'desk'], 2],
  [['keys', 'mint', '--client', 'desk', '--label', 'x', '--expires', 'soon'], 2],
  [['keys', 'mint', '--client', 'nobody', '--label', 'x'], 1],
  [['keys', 'revoke'], 2],
  [['keys', 'revoke', '7'], 2],
  [['keys', 'revoke', '00000000-0000-4000-8000-000000000000'], 1],
  [['keys', 'list', '--unknown'], 2],
  [['clients', 'create', '--name', 'Not Kebab', '--display-name', 'x'], 2],
  [['--help'], 0],
  [['keys', '--help'], 0],
] as const)('%j ends with %i and without a stack', async (args, code) => {
  const result = await server(...args)
  expect(result.code).toBe(code)
  expect(result.stdout + result.stderr).not.toMatch(/\n {4}at |server\.js:\d/)
})

test('an unusable environment stops it before it listens, with everything that is missing', async () => {
  const result = await run(['dist/server.js'], { SECRETS_DIR: '/nowhere' })
  expect(result.code).toBe(1)
  for (const word of ['DATABASE_URL', 'PUBLIC_URL', '/nowhere/wa_app_secret'])
    expect(result.stderr).toContain(word)
})

test('it starts without Postgres, says so, and runs on', async () => {
  const { child, port, origin, exit } = await listen({
    ...env,
    DATABASE_URL: 'postgres://127.0.0.1:9/wa_mcp',
  })
  expect((await fetch(`${origin}/livez`)).status).toBe(200)
  expect((await fetch(`${origin}/health`)).status).toBe(503)
  expect((await run(['dist/server.js', 'healthcheck'], { APP_HTTP_PORT: String(port) })).code).toBe(1)
  await delay(700)
  expect(child.exitCode).toBeNull()
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
})

test('SIGTERM within a request: the request is finished, nothing new is taken, the exit is clean and quick', async () => {
  const { child, port, origin, exit } = await listen()
  expect((await run(['dist/server.js', 'healthcheck'], { APP_HTTP_PORT: String(port) })).code).toBe(0)
  const body = `{"sent":"while it stops","at":${Date.now()}}`
  const headers = { 'x-hub-signature-256': sign(body), 'content-length': Buffer.byteLength(body) }
  const req = request(`${origin}/webhook/meta`, { method: 'POST', headers })
  const answered = new Promise<number | undefined>((resolve, reject) => {
    req.once('response', (res) => resolve(res.resume().statusCode)).once('error', reject)
  })
  req.write(body.slice(0, 10))
  await delay(100)
  const started = performance.now()
  child.kill('SIGTERM')
  await delay(100)
  await expect(fetch(`${origin}/livez`)).rejects.toThrow()
  req.end(body.slice(10))
  expect(await answered).toBe(200)
  expect(await exit).toBe(0)
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(await db.sql`select 1 from webhook_events where body = ${Buffer.from(body)}`).toHaveLength(1)
})

test('SIGTERM with a request that never ends: gone within six seconds all the same', async () => {
  const { child, origin, exit } = await listen()
  const headers = { 'x-hub-signature-256': sign('x'), 'content-length': 1_000 }
  const req = request(`${origin}/webhook/meta`, { method: 'POST', headers }).on('error', () => {})
  req.write('x')
  await delay(100)
  const started = performance.now()
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  expect(performance.now() - started).toBeLessThan(6_000)
})
