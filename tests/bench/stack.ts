import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp, open, readFile, watch, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startPostgres } from '../../bootstrap/lib/embedded-postgres.ts'

const run = promisify(execFile)
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const SERVER = join(ROOT, 'dist/server.js')

export interface Listening {
  readonly origin: string
  readonly pid: number
  /** From the start of the process to its word that it listens. */
  readonly ms: number
  stop(): Promise<void>
}

export interface Stack {
  readonly token: string
  readonly appSecret: string
  /** The built server, as shipped. */
  startServer(): Promise<Listening>
  startFloor(kind: 'ping' | 'insert'): Promise<Listening>
  stop(): Promise<void>
}

/** A durable Postgres, our schema in it, secrets as on a host, and one API key. */
export async function startStack(): Promise<Stack> {
  const dir = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-bench-'))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const postgres = await startPostgres()
  const appSecret = randomBytes(16).toString('hex')
  const generated = [
    'wa_webhook_verify_token',
    'wa_default_access_token',
    'api_key_pepper',
    'media_signing_secret',
  ]
  const secrets = {
    ...Object.fromEntries(generated.map((name) => [name, randomBytes(32).toString('hex')])),
    wa_app_secret: appSecret,
    postgres_password: postgres.password.reveal(),
    postgres_owner_password: randomBytes(24).toString('hex'),
    postgres_app_password: randomBytes(24).toString('hex'),
  }
  for (const [name, value] of Object.entries(secrets))
    await writeFile(join(dir, name), value, { mode: 0o600 })
  const env = {
    DATABASE_URL: `postgres://${postgres.host}:${postgres.port}/wa_mcp`,
    FLOOR_DATABASE_URL: `postgres://postgres:${postgres.password.reveal()}@${postgres.host}:${postgres.port}/wa_mcp`,
    SECRETS_DIR: dir,
    PUBLIC_URL: 'https://wa.example.org',
    APP_HTTP_PORT: '0',
    NODE_ENV: 'production',
  }
  const admin = (...args: string[]) => run(process.execPath, [SERVER, ...args], { env })
  await admin('migrate')
  await admin('clients', 'create', '--name', 'bench', '--display-name', 'Bench')
  const minted = await admin('keys', 'mint', '--client', 'bench', '--label', 'bench')
  const start = (args: string[]) => listen(args, env, join(dir, `${randomBytes(4).toString('hex')}.log`))
  return {
    token: minted.stderr.trim().split('\n').at(-1) ?? '',
    appSecret,
    startServer: () => start([SERVER]),
    startFloor: (kind) => start([join(ROOT, 'tests/bench/floor.ts'), kind]),
    stop: () => postgres.stop(),
  }
}

/** Starts a program that says on which port it listens. Its output goes to a file, as cheap as a container's pipe. */
async function listen(args: string[], env: NodeJS.ProcessEnv, log: string): Promise<Listening> {
  const file = await open(log, 'w')
  const lines = watch(log, { signal: AbortSignal.timeout(10_000) })
  const started = performance.now()
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', file.fd, 'inherit'] })
  await file.close()
  for await (const _ of lines) {
    const line = (await readFile(log, 'utf8')).split('\n').find((text) => text.includes('"listening"'))
    if (line === undefined || child.pid === undefined) continue
    const ms = performance.now() - started
    const { port } = JSON.parse(line) as { port: number }
    return { origin: `http://127.0.0.1:${port}`, pid: child.pid, ms, stop: () => stop(child) }
  }
  throw new Error(`${args[0]} did not start listening`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}
