import type { InngestConfig } from '../config/env.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Handler } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Cron, Job } from './job.ts'
import type { Runner } from './runner.ts'

/** `/api/inngest`, and the relay that hands outbox rows to the Inngest server. */
export function startInngest(_o: {
  config: InngestConfig
  publicUrl: URL
  sql: Database
  listener: Listener
  jobs: readonly Job[]
  crons: readonly Cron[]
  log: Logger
}): Runner & { readonly handler: Handler } {
  throw new Error('not built yet')
}
