import type { AddressInfo } from 'node:net'
import { Authenticator } from './auth/authenticator.ts'
import { KeyCache } from './auth/key-cache.ts'
import { LastUsed } from './auth/last-used.ts'
import type { AppConfig } from './config/env.ts'
import { connect } from './db/pool.ts'
import { createHealth, livez } from './health/health.ts'
import { createFront } from './http/front.ts'
import type { Handler } from './http/reply.ts'
import type { Logger } from './log.ts'
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
  const database = { url: config.databaseUrl, role: 'wa_app', password: config.databasePassword } as const
  const sql = connect(database)
  const cache = new KeyCache(database)
  const lastUsed = new LastUsed(sql, log)
  const health = createHealth(database)
  const { pepper, previousPepper, publicUrl, appSecrets } = config
  const authenticator = new Authenticator({ sql, pepper, previousPepper, cache })
  let mcp: Promise<Handler> | undefined
  const loadMcp = () => {
    mcp ??= import('./mcp/endpoint.ts').then(({ createMcpHandler }) =>
      createMcpHandler({ authenticator, lastUsed, publicUrl, log }),
    )
    return mcp
  }
  const server = createFront(
    {
      '/livez': { GET: livez },
      '/health': { GET: health.handler },
      '/webhook/meta': {
        GET: createSubscribeHandler(config.verifyToken),
        POST: createReceiveHandler({ sql, appSecrets, log }),
      },
      '/mcp': { '*': async (exchange) => (await loadMcp())(exchange) },
    },
    log,
  )

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
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const deadline = setTimeout(() => server.closeAllConnections(), STOP_DEADLINE_MS)
      await closed
      clearInterval(idle)
      clearTimeout(deadline)
      await lastUsed.close()
      await Promise.all([cache.close(), health.close(), sql.end({ timeout: 1 })])
      log.info('stopped')
    },
  }
}
