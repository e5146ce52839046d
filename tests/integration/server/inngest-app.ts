import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { Listener } from '../../../server/db/listener.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createFront } from '../../../server/http/front.ts'
import { createCrons } from '../../../server/jobs/crons.ts'
import { startInngest } from '../../../server/jobs/inngest.ts'
import type { Job, JobContext } from '../../../server/jobs/job.ts'
import { createLogger } from '../../../server/log.ts'
import type { EventApi } from '../../fakes/inngest/event-api.ts'
import { execute, type Run } from '../../fakes/inngest/executor.ts'
import { signCall } from '../../fakes/inngest/signature.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'

export const KEY = 'a1'.repeat(32)
export const PREVIOUS_KEY = 'b2'.repeat(32)
export const EVENT_KEY = 'event-key-for-tests-0001'
export const SERVE_ORIGIN = 'http://app.internal:3000'

/** What the tests of a file share. */
export interface Ground {
  readonly db: TestDatabase
  readonly sql: Database
  readonly listener: Listener
  clear(): Promise<void>
  stop(): Promise<void>
}

export async function prepareGround(): Promise<Ground> {
  const db = await createDatabase()
  await db.migrate()
  const database = { url: db.url, role: 'wa_app', password: PASSWORDS.app } as const
  const sql = connect({ ...database, max: 4 })
  const listener = new Listener(database)
  return {
    ...{ db, sql, listener },
    clear: async () => void (await db.sql`truncate outbox`),
    stop: async () => {
      await Promise.all([listener.close(), sql.end({ timeout: 1 })])
      await db.drop()
    },
  }
}

/** The endpoint behind the real front, and the relay, with a single job. */
export interface InngestApp {
  readonly url: string
  readonly logs: Record<string, unknown>[]
  /** What the job does. */
  run: (data: { wabaId: string }, context: JobContext) => Promise<void>
  call(method: string, headers?: Record<string, string>, body?: string): Promise<Response>
  /** A call as the Inngest server makes it. */
  signed(method: string, body?: unknown, key?: string, at?: number): Promise<Response>
  /** Has the job executed for an event with this data. */
  executed(data?: Record<string, unknown>): Promise<Run>
  isAlive(): Promise<void>
  stop(): Promise<void>
}

/** @param api the Inngest it hands its events to */
export async function startApp({ sql, listener }: Ground, api: EventApi): Promise<InngestApp> {
  const logs: Record<string, unknown>[] = []
  const log = createLogger('debug', { write: (line) => void logs.push(JSON.parse(line)) })
  const job: Job<'wa/templates.sync.requested'> = {
    id: 'test-sync',
    event: 'wa/templates.sync.requested',
    retries: 2,
    concurrency: 3,
    run: (data, context) => app.run(data, context),
  }
  const inngest = startInngest({
    config: {
      baseUrl: api.url,
      serveOrigin: new URL(SERVE_ORIGIN),
      signingKey: new Secret(KEY),
      previousSigningKey: new Secret(PREVIOUS_KEY),
      eventKey: new Secret(EVENT_KEY),
    },
    ...{ sql, listener, log },
    jobs: [job],
    crons: createCrons({
      sql,
      mediaRoot: '/nowhere',
      auditDir: '/nowhere',
      retention: { messagesDays: 1, mediaDays: 1 },
    }),
    retryMs: 20,
    timeoutMs: 200,
  })
  const server = createFront({ '/api/inngest': { '*': inngest.handler } }, log)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/inngest`
  const app: InngestApp = {
    url,
    logs,
    run: async () => {},
    call: (method, headers = {}, body) =>
      fetch(url, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        ...(body !== undefined && { body }),
      }),
    signed: (method, body, key = KEY, at) =>
      app.call(
        method,
        { 'x-inngest-signature': signCall(key, body, at) },
        body === undefined ? undefined : JSON.stringify(body),
      ),
    executed: (data) =>
      execute({ url, key: KEY, functionId: 'wa-mcp-test-sync', maxAttempts: 3, event: event(data) }),
    isAlive: async () => expect((await app.signed('GET')).status).toBe(200),
    stop: async () => {
      await inngest.stop(2_000)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return app
}

/** As Inngest hands it to the job. */
export const event = (data: Record<string, unknown> = { wabaId: '1' }) => ({
  id: 'outbox:1',
  name: 'wa/templates.sync.requested',
  data: { ...data, _key: 'k' },
})
