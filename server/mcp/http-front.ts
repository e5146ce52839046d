import type { Identity } from '../auth/identity.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import { type Exchange, type Handler, HttpError } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import type { McpEndpoint } from './endpoint.ts'
import { Engine } from './engine.ts'
import { createLegacy } from './legacy.ts'
import { findLiveKeys } from './live-keys.ts'
import { answerPost } from './post.ts'
import { Sessions } from './sessions.ts'
import { StaticAnswers } from './static-answers.ts'
import { Streams } from './streams.ts'
import type { Surface } from './surface.ts'
import { Updates } from './updates.ts'

export interface Timings {
  /** A session unseen for so long is over (spec: 30 min). */
  readonly idleMs: number
  readonly sweepMs: number
  readonly heartbeatMs: number
}

const TIMINGS: Timings = { idleMs: 30 * 60_000, sweepMs: 60_000, heartbeatMs: 30_000 }
const MOST_SESSIONS_PER_KEY = 100
const MOST_STREAMS_PER_KEY = 100

export interface HttpFrontOptions {
  readonly gate: (exchange: Exchange) => Promise<Identity>
  readonly surface: Surface
  readonly sql: Database
  readonly listener: Listener
  readonly numbers: Pick<Numbers, 'byId'>
  readonly log: Logger
  readonly timings?: Partial<Timings>
}

/** Streamable HTTP in both eras, whatever is behind it. Source: MCP 2025-11-25 and 2026-07-28, Transports. */
export function createHttpFront(o: HttpFrontOptions): McpEndpoint {
  const { surface, sql, listener, log } = o
  const { idleMs, sweepMs, heartbeatMs } = { ...TIMINGS, ...o.timings }
  const engine = new Engine(surface, log)
  const updates = new Updates({
    ...{ listener, numbers: o.numbers, log },
    canWatch: (uri, identity) => surface.canWatch(uri, { identity }),
  })
  const streams: Streams = new Streams({
    heartbeatMs,
    mostPerKey: MOST_STREAMS_PER_KEY,
    findLiveKeys: (keyIds) => findLiveKeys(sql, keyIds),
    onBeat: (sessionIds) => sessions.touch(sessionIds),
    onError: (err) => log.warn({ err }, 'stream_keys_not_checked'),
  })
  const sessions = new Sessions({
    ...{ sql, listener, log, idleMs, sweepMs },
    mostPerKey: MOST_SESSIONS_PER_KEY,
    onEnd: (id) => streams.endSession(id),
  })
  const legacy = createLegacy({ sessions, streams, updates, log })
  const checkKeys = () =>
    streams.checkKeys().catch((err: unknown) => log.warn({ err }, 'stream_keys_not_checked'))
  const stopListening = listener.on('auth_changed', { onNotice: checkKeys })
  const answers = new StaticAnswers(surface)

  const handler: Handler = async (exchange) => {
    const identity = await o.gate(exchange)
    const { method } = exchange.req
    if (method === 'POST')
      await answerPost({ engine, answers, surface, streams, updates, legacy }, exchange, identity)
    else if (method === 'GET') await legacy.stream(exchange, identity)
    else if (method === 'DELETE') await legacy.end(exchange, identity)
    else throw new HttpError(405, 'method_not_allowed', { allow: 'GET, POST, DELETE' })
  }
  return {
    handler,
    drain: async () => {
      stopListening()
      updates.close()
      streams.close()
      await sessions.close()
    },
  }
}
