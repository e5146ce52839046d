import type { IncomingHttpHeaders } from 'node:http'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Audit } from '../audit/audit.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Grants } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import type { LastUsed } from '../auth/last-used.ts'
import type { RequestLimits } from '../auth/limits.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import { readBody } from '../http/body.ts'
import { type Exchange, type Handler, HttpError, sendJson } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import type { Dispatcher } from '../tools/dispatch.ts'
import { type CallerInfo, Engine } from './engine.ts'
import { createHostCheck } from './hosts.ts'
import { type JSONRPCRequest, type JSONRPCResponse, parseMessage, RpcError } from './message.ts'
import { checkModern, discover, isModern, stampModern } from './modern.ts'

const LARGEST_BODY = 1024 * 1024

export interface McpOptions {
  readonly authenticator: Authenticator
  readonly limits: RequestLimits
  readonly lastUsed: LastUsed
  readonly dispatcher: Dispatcher
  readonly grants: Grants
  readonly numbers: Numbers
  readonly listener: Listener
  readonly audit: Audit
  readonly sql: Database
  readonly publicUrl: URL
  readonly log: Logger
}

export interface McpEndpoint {
  readonly handler: Handler
  /** Ends every open stream, so that the server can stop. */
  drain(): Promise<void>
}

/**
 * `/mcp`: Streamable HTTP without sessions, in both eras of the protocol. Before the framing, refusals are plain HTTP: 403 for
 * a foreign `Host` or `Origin`, 405 unless POST, 401 without a good key, 503 while keys cannot be checked, 415, 413, 408.
 */
export function createMcpEndpoint(options: McpOptions): McpEndpoint {
  const isOurHost = createHostCheck(options.publicUrl)
  const engine = new Engine(options.dispatcher, options.log)

  const handler: Handler = async (exchange) => {
    const { req, res } = exchange
    if (!isOurHost(req.headers)) throw new HttpError(403, 'forbidden')
    if (req.method !== 'POST') throw new HttpError(405, 'method_not_allowed', { allow: 'POST' })
    const identity = await requireKey(options, exchange)
    if (!isJson(req.headers)) throw new HttpError(415, 'unsupported_media_type')
    const body = await readBody(req, { bytes: LARGEST_BODY })

    let request: JSONRPCRequest | undefined
    try {
      request = parseMessage(body)
      if (request === undefined) return void res.writeHead(202).end()
      const caller = { identity, requestId: exchange.requestId, ip: exchange.ip }
      sendJson(res, 200, await answer(engine, request, caller, exchange))
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      sendJson(res, error.status, error.toResponse(request?.id ?? null))
    }
  }
  return { handler, drain: async () => {} }
}

async function requireKey(
  { authenticator, lastUsed, log }: McpOptions,
  { req, requestId: rid }: Exchange,
): Promise<Identity> {
  const identity = await authenticator.authenticate(req.headers.authorization).catch((error: unknown) => {
    log.error({ rid, err: error }, 'key_not_checked')
    throw new HttpError(503, 'unavailable', { 'retry-after': '5' })
  })
  // No `resource_metadata`: it would announce OAuth, and clients would then ignore the key they were given.
  if (identity === undefined) throw new HttpError(401, 'unauthorized', { 'www-authenticate': 'Bearer' })
  if (identity.keyId) lastUsed.note(identity.keyId)
  return identity
}

async function answer(
  engine: Engine,
  request: JSONRPCRequest,
  caller: CallerInfo,
  { req, res }: Exchange,
): Promise<JSONRPCResponse> {
  const whenGone = (abandon: () => void) => void res.once('close', abandon)
  if (!isModern(request, req.headers, SUPPORTED_PROTOCOL_VERSIONS))
    return await engine.answer(request, caller, whenGone)
  checkModern(request, req.headers, SUPPORTED_PROTOCOL_VERSIONS)
  const plain =
    request.method === 'server/discover'
      ? discover(request, SUPPORTED_PROTOCOL_VERSIONS)
      : await engine.answer(request, caller, whenGone)
  return stampModern(request.method, plain)
}

function isJson(headers: IncomingHttpHeaders): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')
}
