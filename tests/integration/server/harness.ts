import { createHmac } from 'node:crypto'
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
}

export interface Harness {
  readonly origin: string
  readonly db: TestDatabase
  readonly config: AppConfig
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
  const base: AppConfig = {
    bind: '127.0.0.1',
    port: 0,
    logLevel: 'debug',
    publicUrl: new URL('https://wa.example.org'),
    databaseUrl: db.url,
    databasePassword: PASSWORDS.app,
    appSecrets: [SECRETS.appSecret, SECRETS.previousAppSecret],
    verifyToken: SECRETS.verifyToken,
    pepper: SECRETS.pepper,
    previousPepper: undefined,
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
    logs,
    mint: async ({ expires, pepper = config.pepper } = {}) => {
      const report = await mintKey({ client: 'tests', label: 'a key', expires })(db.sql, { pepper })
      return { id: (report.data as { id: string }).id, token: report.aside?.split('\n').at(-1) ?? '' }
    },
    stop: async () => {
      await server.stop()
      await db.drop()
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
