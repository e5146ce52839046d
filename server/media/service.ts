import type { Secret } from '../../secrets/secret.ts'
import type { Grants } from '../auth/grants.ts'
import type { Database } from '../db/pool.ts'
import type { Handler } from '../http/reply.ts'
import type { Job } from '../jobs/job.ts'
import type { Logger } from '../log.ts'
import type { Graph } from '../meta/graph.ts'
import type { Numbers } from '../numbers/numbers.ts'
import type { Media } from './media.ts'

export interface MediaService {
  readonly media: Media
  /** `GET` and `HEAD /media/…` */
  readonly handler: Handler
  readonly jobs: readonly Job[]
}

export function createMediaService(_o: {
  sql: Database
  graph: Graph
  numbers: Numbers
  grants: Grants
  root: string
  signingSecret: Secret
  publicUrl: URL
  log: Logger
}): MediaService {
  return { media: {} as Media, handler: () => {}, jobs: [] }
}
