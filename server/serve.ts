import type { AddressInfo } from 'node:net'
import { Authenticator } from './auth/authenticator.ts'
import { KeyCache } from './auth/key-cache.ts'
import { LastUsed } from './auth/last-used.ts'
import { createRequestLimits } from './auth/limits.ts'
import type { AppConfig } from './config/env.ts'
import { createCore } from './core.ts'
import { createHealth, livez } from './health/health.ts'
import { createFront } from './http/front.ts'
import { createCrons } from './jobs/crons.ts'
import { startEmbeddedRunner } from './jobs/embedded.ts'
import { startInngest } from './jobs/inngest.ts'
import type { Logger } from './log.ts'
import type { McpEndpoint } from './mcp/endpoint.ts'
import { serveMetrics } from './metrics/serve.ts'
import { VERSION } from './version.ts'
import { createReceiveHandler } from './webhook/receive.ts'
import { createSubscribeHandler } from './webhook/subscribe.ts'

/** A running server. */
export interface RunningServer {
  readonly port: number
  /** Accepts nothing new, finishes what is under way within five seconds, then lets go of the database. */
  stop(): Promise<void>
}

const STOP_DEADLINE_MS = 5_000

/** Starts listening at once, with or without the database: without it, `/health` and whatever needs it answer 503. */
export async function serve(config: AppConfig, log: Logger): Promise<RunningServer> {
  const core = createCore(config, log)
  const { database, sql, listener, audit, numbers, grants, files, dispatcher, jobs } = core
  const lastUsed = new LastUsed(sql, log)
  const limits = createRequestLimits({ sql, log })
  const health = createHealth(database)
  const { pepper, previousPepper, publicUrl } = config
  const cache = new KeyCache(listener)
  const authenticator = new Authenticator({ sql, pepper, previousPepper, cache })
  const { mediaRoot, auditDir, retention } = config
  const crons = createCrons({ sql, mediaRoot, auditDir, retention })
  let mcp: Promise<McpEndpoint> | undefined
  const loadMcp = () => {
    mcp ??= import('./mcp/endpoint.ts').then(({ createMcpEndpoint }) =>
      createMcpEndpoint({
        authenticator,
        limits,
        lastUsed,
        dispatcher,
        grants,
        numbers,
        listener,
        audit,
        sql,
        publicUrl,
        stateSecret: pepper,
        log,
      }),
    )
    return mcp
  }
  const inngest = config.inngest
    ? startInngest({ config: config.inngest, sql, listener, jobs, crons, log })
    : undefined
  const runner = inngest ?? startEmbeddedRunner({ sql, listener, jobs, crons, log })
  const server = createFront(
    {
      '/livez': { GET: livez },
      '/health': { GET: health.handler },
      '/webhook/meta': {
        GET: createSubscribeHandler({ numbers, log }),
        POST: createReceiveHandler({ sql, numbers, audit, log }),
      },
      '/mcp': { '*': async (exchange) => (await loadMcp()).handler(exchange) },
      '/media/': { GET: files.handler, HEAD: files.handler },
      ...(inngest && { '/api/inngest': { '*': inngest.handler } }),
    },
    log,
  )
  const metrics = config.metrics && (await serveMetrics({ ...config.metrics, sql, numbers, log }))

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(config.port, config.bind, resolve)
  })
  const { port } = server.address() as AddressInfo
  log.info({ bind: config.bind, port, version: VERSION }, 'listening')
  // Only now: the SDK builds hundreds of schemas, and Meta need not wait for that.
  setImmediate(loadMcp)

  return {
    port,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      // A kept-alive connection only counts as idle once its request is done, so one look would not be enough.
      if (mcp) await (await mcp).drain()
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const deadline = setTimeout(() => server.closeAllConnections(), STOP_DEADLINE_MS)
      await closed
      clearInterval(idle)
      clearTimeout(deadline)
      await runner.stop(STOP_DEADLINE_MS)
      await Promise.all([lastUsed.close(), limits.close(), metrics?.close(), health.close()])
      await core.close()
      log.info('stopped')
    },
  }
}
