import { Authenticator } from './auth/authenticator.ts'
import { KeyCache } from './auth/key-cache.ts'
import { LastUsed } from './auth/last-used.ts'
import { createRequestLimits } from './auth/limits.ts'
import type { AppConfig } from './config/env.ts'
import { createCore } from './core.ts'
import type { Ground } from './ground.ts'
import type { Handler } from './http/reply.ts'
import { createCrons } from './jobs/crons.ts'
import { startEmbeddedRunner } from './jobs/embedded.ts'
import { startInngest } from './jobs/inngest.ts'
import type { Logger } from './log.ts'
import { createMcpEndpoint } from './mcp/endpoint.ts'
import { serveMetrics } from './metrics/serve.ts'

/** All the server does besides taking in what Meta sends. */
export interface Work {
  readonly mcp: Handler
  readonly media: Handler
  /** undefined: the embedded runner does the jobs. */
  readonly inngest: Handler | undefined
  /** Ends every open stream. */
  drain(): Promise<void>
  /** Starts no more jobs, waits for those under way. */
  stop(deadlineMs: number): Promise<void>
}

/** Resolves when calls can be answered. */
export async function startWork(config: AppConfig, log: Logger, ground: Ground): Promise<Work> {
  const core = createCore(config, log, ground)
  const { sql, listener, audit, numbers, grants, files, dispatcher, jobs } = core
  const lastUsed = new LastUsed(sql, log)
  const limits = createRequestLimits({ sql, log })
  const { pepper, previousPepper, publicUrl, mediaRoot, auditDir, retention } = config
  const authenticator = new Authenticator({ sql, pepper, previousPepper, cache: new KeyCache(listener) })
  const mcp = createMcpEndpoint({
    ...{ authenticator, limits, lastUsed, dispatcher, grants, numbers, listener, audit, sql, log },
    ...{ publicUrl, stateSecret: pepper },
  })
  const crons = createCrons({ sql, mediaRoot, auditDir, retention })
  const inngest = config.inngest
    ? startInngest({ config: config.inngest, sql, listener, jobs, crons, log })
    : undefined
  const runner = inngest ?? startEmbeddedRunner({ sql, listener, jobs, crons, log })
  const metrics = config.metrics && (await serveMetrics({ ...config.metrics, sql, numbers, log }))
  return {
    mcp: mcp.handler,
    media: files.handler,
    inngest: inngest?.handler,
    drain: () => mcp.drain(),
    stop: async (deadlineMs) => {
      await runner.stop(deadlineMs)
      await Promise.all([lastUsed.close(), limits.close(), metrics?.close()])
    },
  }
}
