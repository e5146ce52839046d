import type { Secret } from '../../secrets/secret.ts'
import type { Audit } from '../audit/audit.ts'
import type { Grants } from '../auth/grants.ts'
import type { Database } from '../db/pool.ts'
import type { Handler } from '../http/reply.ts'
import type { Job } from '../jobs/job.ts'
import type { Logger } from '../log.ts'
import type { Graph } from '../meta/graph.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { createDownloadJob } from './download.ts'
import { MediaFiles } from './files.ts'
import { createMediaHandler } from './handler.ts'
import type { Media } from './media.ts'
import { type Outside, outside } from './outside.ts'
import { signTicket } from './signed-url.ts'
import { createSourceReader } from './source.ts'
import { OutboundFiles } from './store.ts'
import { createUploadJob } from './upload.ts'

export interface MediaService {
  readonly media: Media
  /** `GET` and `HEAD /media/…` */
  readonly handler: Handler
  readonly jobs: readonly Job[]
}

export interface MediaServiceOptions {
  readonly sql: Database
  readonly graph: Graph
  readonly numbers: Numbers
  readonly grants: Grants
  readonly audit: Audit
  readonly root: string
  readonly signingSecret: Secret
  readonly previousSigningSecret?: Secret | undefined
  readonly publicUrl: URL
  readonly log: Logger
  /** How URLs that clients name are fetched; the open internet unless a test says otherwise. */
  readonly outside?: Outside
}

/** Files in and out: stored under `root`, shown by signed links, brought from and to Meta by jobs. */
export function createMediaService(o: MediaServiceOptions): MediaService {
  const { sql, log } = o
  const files = new MediaFiles(o.root)
  const read = createSourceReader({ sql, files, outside: o.outside ?? outside, log })
  const outbound = new OutboundFiles({ sql, numbers: o.numbers, files, read })
  files.sweep().catch((err: unknown) => log.error({ err }, 'media_sweep_failed'))
  return {
    media: {
      store: (request) => outbound.store(request),
      check: (request) => outbound.check(request),
      signedUrl: (mediaId, clientId, seconds) => {
        const { token, expiresAt } = signTicket(o.signingSecret, { mediaId, clientId }, seconds)
        return { url: new URL(`/media/${token}`, o.publicUrl).href, expiresAt }
      },
      open: (storagePath, range) => files.read(storagePath, range),
    },
    handler: createMediaHandler({ ...o, files }),
    jobs: [createDownloadJob({ ...o, files }), createUploadJob({ ...o, files })],
  }
}
