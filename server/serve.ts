import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AppConfig } from './config/env.ts'
import { connect } from './db/pool.ts'
import { createGround } from './ground.ts'
import { createHealth, livez } from './health/health.ts'
import { createFront } from './http/front.ts'
import { type Handler, HttpError } from './http/reply.ts'
import type { Logger } from './log.ts'
import { VERSION } from './version.ts'
import { createReceiveHandler } from './webhook/receive.ts'
import { createSubscribeHandler } from './webhook/subscribe.ts'
import type { Work } from './work.ts'

/** A running server. */
export interface RunningServer {
  readonly port: number
  /** Accepts nothing new, finishes what is under way within five seconds, then lets go of the database. */
  stop(): Promise<void>
}

const STOP_DEADLINE_MS = 5_000
/** When who still waits for Meta's answer is told what is known: early enough to hear it. */
const LAST_WORD_MS = 4_000

/** Starts listening at once, with or without the database: without it, `/health` and whatever needs it answer 503. */
export async function serve(config: AppConfig, log: Logger): Promise<RunningServer> {
  const ground = createGround(config, log)
  const { database, numbers, audit, rush, stopping } = ground
  // Connections of its own, so that nothing else we do keeps Meta waiting for one.
  const intake = connect(database)
  const health = createHealth(database)

  let work: Promise<Work> | undefined
  const load = () => {
    work ??= import('./work.ts').then(({ startWork }) => startWork(config, log, ground))
    return work
  }
  const late =
    (choose: (work: Work) => Handler | undefined): Handler =>
    async (exchange) => {
      const handler = choose(await load())
      if (handler === undefined) throw new HttpError(404, 'not_found')
      await handler(exchange)
    }
  const media = late((work) => work.media)
  const server = createFront(
    {
      '/livez': { GET: livez },
      '/health': { GET: health.handler },
      '/webhook/meta': {
        GET: createSubscribeHandler({ numbers, log }),
        POST: createReceiveHandler({ sql: intake, numbers, audit, rush, log }),
      },
      '/mcp': { '*': late((work) => work.mcp) },
      '/media/': { GET: media, HEAD: media },
      '/api/inngest': { '*': late((work) => work.inngest) },
    },
    log,
  )

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(config.port, config.bind, resolve)
  })
  const { port } = server.address() as AddressInfo
  log.info({ bind: config.bind, port, version: VERSION }, 'listening')
  // The word that we listen gets out first.
  await nextTurn()
  // Only now: the tools and the SDK build hundreds of schemas, and Meta need not wait for that.
  const { drain, stop } = await load()

  return {
    port,
    stop: async () => {
      const lastWord = setTimeout(() => stopping.abort(), LAST_WORD_MS)
      const closed = new Promise((resolve) => server.close(resolve))
      // A kept-alive connection only counts as idle once its request is done, so one look would not be enough.
      await drain()
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const deadline = setTimeout(() => server.closeAllConnections(), STOP_DEADLINE_MS)
      await closed
      clearInterval(idle)
      clearTimeout(deadline)
      clearTimeout(lastWord)
      await stop(STOP_DEADLINE_MS)
      await Promise.all([health.close(), intake.end({ timeout: 1 })])
      await ground.close()
      log.info('stopped')
    },
  }
}
