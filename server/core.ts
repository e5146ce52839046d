import { createGrants } from './auth/grants.ts'
import type { AppConfig } from './config/env.ts'
import { createGround } from './ground.ts'
import { createInboundJobs } from './inbound/service.ts'
import type { Logger } from './log.ts'
import { createMediaService } from './media/service.ts'
import { createGraph } from './meta/client.ts'
import { createOutboundService } from './outbound/service.ts'
import { allTools } from './tools/all.ts'
import { createDispatcher } from './tools/dispatch.ts'

/** What every way to run the server is made of, whether clients come by HTTP or by stdio. */
export type Core = ReturnType<typeof createCore>

/** Puts the subjects together. */
export function createCore(config: AppConfig, log: Logger, ground = createGround(config, log)) {
  const { sql, listener, audit, numbers, rush, stopping } = ground
  const grants = createGrants({ sql, numbers, listener })
  const graph = createGraph({
    baseUrl: config.graphUrl,
    version: config.graphVersion,
    tokenOf: (number) => numbers.tokenOf(number),
  })
  const { mediaRoot: root, mediaSigningSecret: signingSecret, publicUrl, defaultPhoneNumberId } = config
  const previousSigningSecret = config.previousMediaSigningSecret
  const files = createMediaService({
    ...{ sql, graph, numbers, grants, audit, log },
    ...{ root, signingSecret, previousSigningSecret, publicUrl },
  })
  const sending = createOutboundService({
    ...{ sql, graph, numbers, listener, audit },
    stopping: stopping.signal,
  })
  const jobs = [...createInboundJobs({ sql, numbers, audit, rush, log }), ...sending.jobs, ...files.jobs]
  const tools = allTools({ sql, numbers, listener, graph, outbound: sending.outbound, media: files.media })
  const dispatcher = createDispatcher({ sql, tools, grants, audit, defaultPhoneNumberId, log })
  return { ...ground, ...{ grants, files, jobs, dispatcher } }
}
