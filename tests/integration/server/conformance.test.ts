import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../conformance/server.ts'
import { createDatabase, type TestDatabase } from '../database.ts'

const path = (relative: string) => fileURLToPath(new URL(`../../../${relative}`, import.meta.url))
const SUITE = path('node_modules/@modelcontextprotocol/conformance/dist/index.js')
const BASELINE = path('tests/conformance/expected-failures.yaml')

let db: TestDatabase
let server: TestServer

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  server = await startTestServer(db)
})
afterAll(async () => {
  await server?.stop()
  await db?.drop()
})

test.each(['2025-11-25', '2026-07-28'])(
  'the official suite for %s passes',
  { timeout: 120_000 },
  async (revision) => {
    const url = `${server.origin}/mcp`
    const args = ['server', '--url', url, '--requirements', revision, '--expected-failures', BASELINE]
    const child = spawn(process.execPath, [SUITE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    expect(await exit, `${stdout}\n${stderr}`).toBe(0)
  },
)
