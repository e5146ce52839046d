import type { IncomingMessage } from 'node:http'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Identity } from '../auth/identity.ts'
import { type Exchange, HttpError } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { RequestContext } from './context.ts'
import { EventStream } from './event-stream.ts'
import { acceptsStream } from './http-reply.ts'
import { CODES, isRecord, type JSONRPCRequest, type JSONRPCResponse, RpcError } from './message.ts'
import type { Session, Sessions } from './sessions.ts'
import type { Streams } from './streams.ts'
import type { Updates } from './updates.ts'

/** What the handshake era adds: sessions, and the stream on which a session hears of news. */
export interface Legacy {
  /**
   * The session a request names.
   *
   * @returns `undefined` when it names none: such clients are served one request at a time.
   * @throws HttpError 404 when there is none such (any more), so that the client starts anew; 401 for another key's.
   */
  sessionOf(req: IncomingMessage, identity: Identity): Promise<Session | undefined>
  /** Opens a session for an answered `initialize`. @returns the value of `Mcp-Session-Id`. */
  open(identity: Identity, request: JSONRPCRequest, response: JSONRPCResponse): Promise<string | undefined>
  /** `GET`: one stream per session; a second one takes over, since the first is most likely a broken connection. */
  stream(exchange: Exchange, identity: Identity): Promise<void>
  /** `DELETE` */
  end(exchange: Exchange, identity: Identity): Promise<void>
  subscriptionsOf(session: Session): RequestContext['subscriptions']
}

/** The handshake era: sessions, and the streams that belong to them. */
export function createLegacy(o: {
  sessions: Sessions
  streams: Streams
  updates: Updates
  log: Logger
}): Legacy {
  const { sessions, streams, updates, log } = o

  /** A session that cannot be looked up is not gone; the client shall come again. */
  async function available<T>(query: Promise<T>): Promise<T> {
    try {
      return await query
    } catch (err) {
      log.error({ err }, 'sessions_unavailable')
      throw new HttpError(503, 'unavailable', { 'retry-after': '5' })
    }
  }

  async function sessionOf(
    req: IncomingMessage,
    { keyId, clientId }: Identity,
  ): Promise<Session | undefined> {
    const id = req.headers['mcp-session-id']
    if (typeof id !== 'string') return undefined
    const session = await available(sessions.find(id))
    if (session === undefined) throw new HttpError(404, 'session_not_found')
    if (session.keyId !== keyId || session.clientId !== clientId) {
      throw new HttpError(401, 'session_of_another_key', { 'www-authenticate': 'Bearer' })
    }
    return session
  }

  async function require(req: IncomingMessage, identity: Identity): Promise<Session> {
    const version = req.headers['mcp-protocol-version']
    if (typeof version === 'string' && !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) {
      throw new HttpError(400, 'unsupported_protocol_version')
    }
    const session = await sessionOf(req, identity)
    // Without one there is nothing here but requests and their answers.
    if (session === undefined) throw new HttpError(405, 'method_not_allowed', { allow: 'POST' })
    return session
  }

  return {
    sessionOf,
    open: async (identity, request, response) => {
      if (!('result' in response)) return undefined
      const { clientInfo, capabilities } = request.params ?? {}
      const { name, version } = isRecord(clientInfo) ? clientInfo : {}
      const opening = sessions.create(identity, {
        protocolVersion: String(response.result.protocolVersion),
        clientCapabilities: isRecord(capabilities) ? capabilities : {},
        clientInfo: { name: String(name).slice(0, 200), version: String(version).slice(0, 200) },
      })
      const session = await available(opening)
      return session.id
    },
    stream: async ({ req, res }, identity) => {
      const { id, subscriptions } = await require(req, identity)
      if (!acceptsStream(req)) throw new HttpError(406, 'not_acceptable')
      streams.endSession(id)
      streams.checkRoom(identity.keyId)
      const stream = new EventStream(res)
      const stopHearing = updates.add({
        identity,
        uris: subscriptions,
        send: (uri, _meta) =>
          stream.send({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri, _meta } }),
      })
      stream.onClose(stopHearing)
      streams.add({ stream, identity, sessionId: id })
    },
    end: async ({ req, res }, identity) => {
      const { id } = await require(req, identity)
      await available(sessions.end(id))
      res.writeHead(204).end()
    },
    subscriptionsOf: (session) => ({
      add: async (uri) => {
        if (await sessions.subscribe(session, uri)) return
        throw new RpcError(200, CODES.invalidRequest, 'Too many subscriptions in this session')
      },
      remove: (uri) => sessions.unsubscribe(session, uri),
    }),
  }
}
