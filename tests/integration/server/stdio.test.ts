import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { addClient, addContact, addInbound, addNumber, type TestClient } from './fixtures.ts'
import { SECRETS } from './harness.ts'

const main = fileURLToPath(new URL('../../../server/main.ts', import.meta.url))
let db: TestDatabase
let dir: string
let env: Record<string, string>
let owner: TestClient

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  dir = mkdtempSync(join(tmpdir(), 'server-stdio-'))
  const values = {
    wa_app_secret: SECRETS.appSecret.reveal(),
    wa_webhook_verify_token: SECRETS.verifyToken.reveal(),
    wa_default_access_token: 'access-token-canary-0123456789',
    api_key_pepper: SECRETS.pepper.reveal(),
    media_signing_secret: 'media-signing-canary-0123456789-0123',
    postgres_app_password: PASSWORDS.app.reveal(),
  }
  for (const [name, value] of Object.entries(values)) writeFileSync(join(dir, name), value, { mode: 0o600 })
  env = { DATABASE_URL: db.url.href, SECRETS_DIR: dir, PUBLIC_URL: 'https://wa.example.org' }
})
afterAll(async () => {
  await db?.drop()
  rmSync(dir, { recursive: true, force: true })
})

/** Runs `stdio` with the given lines as its whole input. */
async function run(lines: readonly unknown[]) {
  const child = spawn(process.execPath, [main, 'stdio'], { env, stdio: 'pipe' })
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.stdin.end(lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await exit, stdout, stderr }
}

test('without an owner it says what to do', async () => {
  const { code, stdout, stderr } = await run([])
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain('clients create')
  owner = await addClient(db.sql, 'owner', { owner: true })
})

test('S1.1 S1.2 the owner lists the tools, pings and hears of messages over stdio', async () => {
  const number = await addNumber(db.sql, owner)
  const contact = await addContact(db.sql, number)
  const client = new Client({ name: 'tests', version: '1' })
  const heard: string[] = []
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void heard.push(params.uri),
  )
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [main, 'stdio'], env, stderr: 'ignore' }),
  )
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('ping')
  expect((await client.callTool({ name: 'ping' })).structuredContent).toMatchObject({ ok: true })
  const uri = `wamcp://numbers/${number.waId}/messages`
  await client.subscribeResource({ uri })
  await addInbound(db.sql, number, owner, contact)
  await expect.poll(() => heard).toContain(uri)
  await client.close()
  const rows = await db.sql`select transport, api_key_id from audit_log where tool = 'ping'`
  expect(rows).toMatchObject([{ transport: 'stdio', api_key_id: null }])
})

test('D1.3 stdout carries only JSON-RPC, whatever comes in', async () => {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  const { code, stdout, stderr } = await run([
    'not json',
    { jsonrpc: '2.0', id: 1, method: 'initialize', params },
    { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'no_such_tool' } },
    { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'ping', arguments: { surprise: 1 } } },
    { jsonrpc: '2.0', id: 4, method: 'tools/call', params: { name: 'list_numbers' } },
  ])
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(answers.map(({ jsonrpc }) => jsonrpc)).toEqual(answers.map(() => '2.0'))
  expect(answers.map(({ id }) => id).sort()).toEqual([1, 2, 3, 4])
  expect(stderr).toContain('"listening"')
  expect(code).toBe(0)
})
