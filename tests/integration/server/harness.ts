import { createHmac } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '../../../secrets/secret.ts'
import { createClient } from '../../../server/admin/clients.ts'
import { mintKey } from '../../../server/admin/keys.ts'
import type { AppConfig } from '../../../server/config/env.ts'
import { createLogger } from '../../../server/log.ts'
import { serve } from '../../../server/serve.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'

export const SECRETS = {
  appSecret: new Secret('current-app-secret-0001'),
  previousAppSecret: new Secret('previous-app-secret-002'),
  verifyToken: new Secret('verify-token-for-tests-03'),
  pepper: new Secret('1c'.repeat(32)),
  previousPepper: new Secret('2d'.repeat(32)),
  accessToken: new Secret('access-token-for-tests-0004'),
  mediaSigning: new Secret('3e'.repeat(32)),
}

export interface Harness {
  readonly origin: string
  readonly db: TestDatabase
  readonly config: AppConfig
  /** Files of secrets beside those every test has: `secrets://name` is `<secretsDir>/name`. */
  readonly secretsDir: string
  /** Every log line so far. */
  readonly logs: Record<string, unknown>[]
  /** Mints a key for the client `tests`. */
  mint(options?: { expires?: string; pepper?: Secret }): Promise<{ id: string; token: string }>
  stop(): Promise<void>
}

/** The real server in this process, on a free port, with a database of its own. */
export async function startHarness(
  change: (config: AppConfig) => Partial<AppConfig> = () => ({}),
): Promise<Harness> {
  const db = await createDatabase()
  await db.migrate()
  const directory = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-test-'))
  const secretsDir = join(directory, 'secrets')
  await mkdir(secretsDir)
  const base: AppConfig = {
    bind: '127.0.0.1',
    port: 0,
    logLevel: 'debug',
    publicUrl: new URL('https://wa.example.org'),
    databaseUrl: db.url,
    databasePassword: PASSWORDS.app,
    pepper: SECRETS.pepper,
    previousPepper: undefined,
    secretsDir,
    secretOverrides: new Map([
      ['wa_app_secret', SECRETS.appSecret],
      ['wa_app_secret_previous', SECRETS.previousAppSecret],
      ['wa_webhook_verify_token', SECRETS.verifyToken],
      ['wa_default_access_token', SECRETS.accessToken],
    ]),
    mediaSigningSecret: SECRETS.mediaSigning,
    previousMediaSigningSecret: undefined,
    // Nobody listens there; to ports like 9, which fetch itself refuses, it gives no reason that says so.
    graphUrl: new URL('http://127.0.0.1:2'),
    graphVersion: 'v26.0',
    defaultPhoneNumberId: undefined,
    mediaRoot: `${directory}/media`,
    auditDir: `${directory}/audit`,
    retention: { messagesDays: 365, mediaDays: 365 },
    inngest: undefined,
    metrics: undefined,
  }
  const config = { ...base, ...change(base) }
  const logs: Record<string, unknown>[] = []
  const log = createLogger(config.logLevel, { write: (line) => void logs.push(JSON.parse(line)) })
  const server = await serve(config, log)
  await createClient({ name: 'tests', displayName: 'Tests' })(db.sql)
  return {
    origin: `http://127.0.0.1:${server.port}`,
    db,
    config,
    secretsDir,
    logs,
    mint: async ({ expires, pepper = config.pepper } = {}) => {
      const report = await mintKey({ client: 'tests', label: 'a key', expires })(db.sql, { pepper })
      return { id: (report.data as { id: string }).id, token: report.aside?.split('\n').at(-1) ?? '' }
    },
    stop: async () => {
      await server.stop()
      await db.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export function sign(body: string | Buffer, secret = SECRETS.appSecret): string {
  return `sha256=${createHmac('sha256', secret.reveal()).update(body).digest('hex')}`
}

/** One MCP request by hand. */
export function rpc(
  origin: string,
  token: string | undefined,
  body: unknown,
  headers: Record<string, string> = {},
) {
  return fetch(`${origin}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}
