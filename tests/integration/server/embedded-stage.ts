import { Listener } from '../../../server/db/listener.ts'
import { connect } from '../../../server/db/pool.ts'
import { type EmbeddedOptions, startEmbeddedRunner } from '../../../server/jobs/embedded.ts'
import { emit } from '../../../server/jobs/emit.ts'
import type { Job } from '../../../server/jobs/job.ts'
import type { Runner } from '../../../server/jobs/runner.ts'
import { createLogger } from '../../../server/log.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'

type SyncJob = Job<'wa/templates.sync.requested'>

/** What one process has: its own pool, its own listener, its own runner. */
export interface TestProcess {
  readonly runner: Runner
  readonly logs: Record<string, unknown>[]
}

/** An outbox, and processes that work it off. */
export interface EmbeddedStage {
  readonly db: TestDatabase
  startProcess(jobs: readonly Job[], o?: Partial<EmbeddedOptions> & { url?: URL }): TestProcess
  /** Called by `clear`, the last one first. */
  readonly closers: (() => Promise<unknown>)[]
  emitSync(wabaId: string, key?: string): Promise<unknown>
  /** So many rows, of so many keys. */
  fill(count: number, keys?: number): Promise<unknown>
  /** Of all rows, in order. */
  states(): Promise<string[]>
  /** Stops the processes and empties the outbox. */
  clear(): Promise<void>
}

export async function prepareEmbedded(): Promise<EmbeddedStage> {
  const db = await createDatabase()
  await db.migrate()
  const closers: (() => Promise<unknown>)[] = []
  return {
    ...{ db, closers },
    startProcess: (jobs, options = {}) => {
      const database = { url: options.url ?? db.url, role: 'wa_app', password: PASSWORDS.app } as const
      const sql = connect({ ...database, max: 4 })
      const listener = new Listener(database)
      const logs: Record<string, unknown>[] = []
      const log = createLogger('debug', { write: (line) => void logs.push(JSON.parse(line)) })
      const runner = startEmbeddedRunner({
        ...{ sql, listener, jobs, log },
        crons: [],
        delaysMs: [1],
        pollMs: 50,
        ...options,
      })
      closers.push(async () => {
        await runner.stop(2_000)
        await Promise.all([listener.close(), sql.end({ timeout: 1 })])
      })
      return { runner, logs }
    },
    emitSync: (wabaId, key = '') => emit(db.sql, 'wa/templates.sync.requested', { wabaId }, { key }),
    fill: (count, keys = 1) =>
      db.sql`insert into outbox (name, data, concurrency_key)
        select 'wa/templates.sync.requested', jsonb_build_object('wabaId', i::text), case when ${keys} > 1 then 'k' || i % ${keys} else '' end
        from generate_series(1, ${count}) i`,
    states: async () =>
      (await db.sql<{ state: string }[]>`select state from outbox order by id`).map(({ state }) => state),
    clear: async () => {
      for (const close of closers.splice(0).reverse()) await close()
      await db.sql`truncate outbox`
    },
  }
}

/** A job that does `run`. */
export const syncJob = (run: SyncJob['run'], o: Partial<SyncJob> = {}): Job => ({
  id: 'test-sync',
  event: 'wa/templates.sync.requested',
  retries: 2,
  concurrency: 1,
  ...o,
  run,
})
