import type { Audit } from '../audit/audit.ts'
import type { Database } from '../db/pool.ts'
import type { Rush } from '../http/rush.ts'
import type { Job } from '../jobs/job.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { createProcessMessage } from './process-message.ts'

/** The jobs that turn stored deliveries into contacts, messages and statuses. */
export function createInboundJobs(o: {
  sql: Database
  numbers: Numbers
  audit: Audit
  rush: Pick<Rush, 'over'>
  log: Logger
}): readonly Job[] {
  return [createProcessMessage(o)]
}
