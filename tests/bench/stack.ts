import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startPostgres } from '../../bootstrap/lib/embedded-postgres.ts'
import { Secret } from '../../secrets/secret.ts'
import { connect, type Database } from '../../server/db/pool.ts'
import {
  addClient,
  addKey,
  addNumber,
  type TestClient,
  type TestNumber,
} from '../integration/server/fixtures.ts'
import { type Listening, listen } from './programs.ts'

const run = promisify(execFile)
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const SERVER = join(ROOT, 'dist/server.js')

/** Enough that no key comes near its limits: 100,000 requests a minute, 100 sessions. */
const KEYS = 20

/** `bare` answers, `insert` stores first, `sdk` is the SDK's own arrangement of an MCP server. */
export type Floor = 'bare' | 'insert' | 'sdk'

export interface Stack {
  /** Keys of the owner, with every scope. */
  readonly tokens: readonly string[]
  readonly appSecret: string
  readonly client: TestClient
  readonly number: TestNumber
  /** As superuser. */
  readonly sql: Database
  /** The built server, as shipped. */
  startServer(): Promise<Listening>
  startFloor(kind: Floor, ...args: string[]): Promise<Listening>
  /** Whatever still runs of it, too. */
  stop(): Promise<void>
}

/** A durable Postgres, our schema in it, secrets as on a host, an owner with keys and a number. */
export async function startStack(): Promise<Stack> {
  const dir = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-bench-'))
  const postgres = await startPostgres()
  const secrets = newSecrets(postgres.password.reveal())
  for (const [name, value] of Object.entries(secrets))
    await writeFile(join(dir, name), value, { mode: 0o600 })
  for (const name of ['media', 'audit']) await mkdir(join(dir, name))

  const database = `${postgres.host}:${postgres.port}/wa_mcp`
  const env = {
    DATABASE_URL: `postgres://${database}`,
    FLOOR_DATABASE_URL: `postgres://postgres:${postgres.password.reveal()}@${database}`,
    SECRETS_DIR: dir,
    MEDIA_ROOT: join(dir, 'media'),
    AUDIT_DIR: join(dir, 'audit'),
    // Nobody listens there: nothing measured here may leave the machine.
    WA_GRAPH_URL: 'http://127.0.0.1:9',
    PUBLIC_URL: 'https://wa.example.org',
    APP_HTTP_PORT: '0',
    NODE_ENV: 'production',
  }
  await run(process.execPath, [SERVER, 'migrate'], { env })
  const sql = connect({
    url: new URL(env.DATABASE_URL),
    role: 'postgres',
    password: postgres.password,
    max: 2,
  })
  const client = await addClient(sql, 'bench', { owner: true })
  const number = await addNumber(sql, client)
  const pepper = new Secret(secrets.api_key_pepper)
  const tokens: string[] = []
  for (let key = 0; key < KEYS; key += 1) tokens.push((await addKey(sql, client, pepper)).token)

  const programs: Listening[] = []
  const start = async (args: string[]) => {
    const program = await listen(args, env, join(dir, `${randomBytes(4).toString('hex')}.log`))
    programs.push(program)
    return program
  }
  return {
    tokens,
    appSecret: secrets.wa_app_secret,
    client,
    number,
    sql,
    startServer: () => start([SERVER]),
    startFloor: (kind, ...args) =>
      kind === 'sdk'
        ? start([join(ROOT, 'tests/bench/floors/sdk.ts')])
        : start([join(ROOT, 'tests/bench/floors/bare.ts'), kind, ...args]),
    stop: async () => {
      for (const program of programs) await program.stop()
      await sql.end({ timeout: 1 })
      await postgres.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function newSecrets(superuserPassword: string) {
  const random = () => randomBytes(32).toString('hex')
  return {
    wa_app_secret: randomBytes(16).toString('hex'),
    wa_webhook_verify_token: random(),
    wa_default_access_token: random(),
    api_key_pepper: random(),
    media_signing_secret: random(),
    postgres_password: superuserPassword,
    postgres_owner_password: random(),
    postgres_app_password: random(),
  }
}
