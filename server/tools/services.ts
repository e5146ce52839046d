import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Media } from '../media/media.ts'
import type { Graph } from '../meta/graph.ts'
import type { Numbers } from '../numbers/numbers.ts'
import type { Outbound } from '../outbound/outbound.ts'

/**
 * What tools are made with. Reading goes through `context.db` alone; `sql` is for the few writes that are not a send
 * (a submitted template, a read receipt's record).
 */
export interface Services {
  readonly sql: Database
  readonly numbers: Numbers
  readonly listener: Listener
  readonly graph: Graph
  readonly outbound: Outbound
  readonly media: Media
}
