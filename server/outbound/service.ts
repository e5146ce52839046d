import type { Audit } from '../audit/audit.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Job } from '../jobs/job.ts'
import type { Logger } from '../log.ts'
import type { Graph } from '../meta/graph.ts'
import type { Numbers } from '../numbers/numbers.ts'
import type { Outbound } from './outbound.ts'

export interface OutboundService {
  readonly outbound: Outbound
  readonly jobs: readonly Job[]
}

export function createOutboundService(_o: {
  sql: Database
  graph: Graph
  numbers: Numbers
  listener: Listener
  audit: Audit
  log: Logger
}): OutboundService {
  return { outbound: {} as Outbound, jobs: [] }
}
