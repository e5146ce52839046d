import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import type { Cron } from './job.ts'

/** What happens by the clock. */
export function createCrons(_o: {
  sql: Database
  mediaRoot: string
  auditDir: string
  log: Logger
}): readonly Cron[] {
  return []
}
