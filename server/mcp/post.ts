import type { IncomingHttpHeaders } from 'node:http'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Identity } from '../auth/identity.ts'
import { readBody } from '../http/body.ts'
import { type Exchange, HttpError } from '../http/reply.ts'
import type { Caller } from './context.ts'
import type { Engine } from './engine.ts'
import { HttpReply } from './http-reply.ts'
import type { Legacy } from './legacy.ts'
import { listen } from './listen.ts'
import { CODES, type Incoming, type JSONRPCRequest, parseMessage, RpcError } from './message.ts'
import { checkModern, discover, isModern, stampModern, statusOf } from './modern.ts'
import type { StaticAnswers } from './static-answers.ts'
import type { Streams } from './streams.ts'
import type { Surface } from './surface.ts'
import type { Updates } from './updates.ts'

const LARGEST_BODY = 1024 * 1024

export interface Rooms {
  readonly engine: Engine
  readonly answers: StaticAnswers
  readonly surface: Surface
  readonly streams: Streams
  readonly updates: Updates
  readonly legacy: Legacy
}

/**
 * Answers a POST: one JSON-RPC message of either era.
 *
 * @throws HttpError 415, 413 or 408 for a body that is not what we read; see {@link Legacy.sessionOf} for sessions.
 */
export async function answerPost(rooms: Rooms, exchange: Exchange, identity: Identity): Promise<void> {
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
