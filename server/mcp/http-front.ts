import type { IncomingHttpHeaders } from 'node:http'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Identity } from '../auth/identity.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import { readBody } from '../http/body.ts'
import { type Exchange, type Handler, HttpError } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import type { Caller } from './context.ts'
import type { McpEndpoint } from './endpoint.ts'
import { Engine } from './engine.ts'
import { HttpReply } from './http-reply.ts'
import { createLegacy, type Legacy } from './legacy.ts'
import { listen } from './listen.ts'
import { findLiveKeys } from './live-keys.ts'
import { CODES, type Incoming, type JSONRPCRequest, parseMessage, RpcError } from './message.ts'
import { checkModern, discover, isModern, stampModern, statusOf } from './modern.ts'
import { Sessions } from './sessions.ts'
import { StaticAnswers } from './static-answers.ts'
import { Streams } from './streams.ts'
import type { Surface } from './surface.ts'
import { Updates } from './updates.ts'

const LARGEST_BODY = 1024 * 1024

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
  const legacy = createLegacy({ sessions, streams, updates })
  const checkKeys = () =>
    streams.checkKeys().catch((err: unknown) => log.warn({ err }, 'stream_keys_not_checked'))
  const stopListening = listener.on('auth_changed', { onNotice: checkKeys })
  const answers = new StaticAnswers(surface)
  let draining = false

  const handler: Handler = async (exchange) => {
    const identity = await o.gate(exchange)
    if (draining) throw new HttpError(503, 'stopping', { 'retry-after': '5' })
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
      draining = true
      stopListening()
      updates.close()
      streams.close()
      await sessions.close()
    },
  }
}

interface Rooms {
  readonly engine: Engine
  readonly answers: StaticAnswers
  readonly surface: Surface
  readonly streams: Streams
  readonly updates: Updates
  readonly legacy: Legacy
}

async function answerPost(rooms: Rooms, exchange: Exchange, identity: Identity): Promise<void> {
  const { req, requestId, ip } = exchange
  if (!isJson(req.headers)) throw new HttpError(415, 'unsupported_media_type')
  const body = await readBody(req, { bytes: LARGEST_BODY })
  const caller: Caller = { identity, requestId, ip, transport: 'http' }
  let incoming: Incoming | undefined
  try {
    incoming = parseMessage(body)
    const { kind, message } = incoming
    if (kind === 'request' && isModern(message, req.headers, SUPPORTED_PROTOCOL_VERSIONS)) {
      await answerModern(rooms, message, caller, exchange)
    } else await answerLegacy(rooms, incoming, caller, exchange)
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    const id = incoming?.kind === 'request' ? incoming.message.id : null
    new HttpReply(req, exchange.res).finish(error.status, error.toResponse(id))
  }
}

async function answerModern(
  rooms: Rooms,
  message: JSONRPCRequest,
  caller: Caller,
  exchange: Exchange,
): Promise<void> {
  const { req, res } = exchange
  const { method } = message
  const known = checkModern(message, req.headers, SUPPORTED_PROTOCOL_VERSIONS)
  if (method === 'subscriptions/listen') return await listen(rooms, message, caller, exchange)
  const channel = new HttpReply(req, res)
  const encoded = rooms.answers.find(message, 'stateless')
  if (encoded) return channel.finishEncoded(encoded)
  const plain =
    method === 'server/discover'
      ? discover(message, rooms.surface, SUPPORTED_PROTOCOL_VERSIONS)
      : await rooms.engine.answer({
          ...known,
          message,
          caller,
          channel,
          subscriptions: undefined,
          gone: goneOf(exchange),
        })
  if (plain === undefined) channel.abandon()
  else channel.finish(statusOf(plain), stampModern(method, plain))
}

async function answerLegacy(
  rooms: Rooms,
  incoming: Incoming,
  caller: Caller,
  exchange: Exchange,
): Promise<void> {
  const { req, res } = exchange
  const { engine, legacy } = rooms
  const session = await legacy.sessionOf(req, caller.identity)
  const { kind, message } = incoming
  if (kind !== 'request') {
    if (session && kind === 'response') engine.accept(message, session.id)
    if (session && kind === 'notification' && message.method === 'notifications/cancelled')
      engine.cancel(message.params?.requestId, session.id)
    return void res.writeHead(202).end()
  }
  if (session && message.method === 'initialize')
    throw new RpcError(400, CODES.invalidRequest, 'This session is initialized already')
  const channel = new HttpReply(req, res, session?.id)
  const encoded = rooms.answers.find(message, 'handshake')
  if (encoded) return channel.finishEncoded(encoded)
  const response = await engine.answer({
    ...{ message, caller, channel, gone: goneOf(exchange), retry: undefined },
    clientCapabilities: session?.clientCapabilities ?? {},
    subscriptions: session && legacy.subscriptionsOf(session),
  })
  if (response === undefined) return channel.abandon()
  const opened =
    message.method === 'initialize' ? await legacy.open(caller.identity, message, response) : undefined
  channel.finish(200, response, opened ? { 'mcp-session-id': opened } : {})
}

function goneOf({ res }: Exchange): (abandon: () => void) => void {
  return (abandon) => void res.once('close', abandon)
}

function isJson(headers: IncomingHttpHeaders): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')
}
