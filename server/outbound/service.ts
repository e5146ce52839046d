import type { Audit } from '../audit/audit.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Job } from '../jobs/job.ts'
import type { Graph } from '../meta/graph.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { decide } from './approval.ts'
import { Ledger } from './ledger.ts'
import type { Outbound } from './outbound.ts'
import { send } from './send.ts'
import { createSendJob } from './send-job.ts'
import { createTemplatesJob } from './templates-job.ts'

export interface OutboundService {
  readonly outbound: Outbound
  readonly jobs: readonly Job[]
}

/** Everything that goes out, from a tool's draft to Meta's answer. */
export function createOutboundService(o: {
  sql: Database
  graph: Graph
  numbers: Numbers
  listener: Listener
  audit: Audit
  /** Aborted shortly before the server is gone: whoever waits for Meta is told what is known by then. */
  stopping: AbortSignal
}): OutboundService {
  return {
    outbound: {
      send: (request) => send(o, request),
      decide: (messageId, decision) => decide(o.sql, messageId, decision),
    },
    jobs: [createSendJob({ ...o, ledger: new Ledger(o.sql) }), createTemplatesJob(o)],
  }
}
