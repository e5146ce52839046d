import type { IncomingHttpHeaders } from 'node:http'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Authenticator } from '../auth/authenticator.ts'
import type { LastUsed } from '../auth/last-used.ts'
import { readBody } from '../http/body.ts'
import { type Exchange, type Handler, HttpError, sendJson } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import { Engine } from './engine.ts'
import { createHostCheck } from './hosts.ts'
import { type JSONRPCRequest, type JSONRPCResponse, parseMessage, RpcError } from './message.ts'
import { checkModern, discover, isModern, stampModern } from './modern.ts'

const LARGEST_BODY = 1024 * 1024

export interface McpOptions {
  readonly authenticator: Authenticator
  readonly lastUsed: LastUsed
  readonly publicUrl: URL
  readonly log: Logger
}

/**
 * `/mcp`: Streamable HTTP without sessions, in both eras of the protocol. Before the framing, refusals are plain HTTP: 403 for
 * a foreign `Host` or `Origin`, 405 unless POST, 401 without a good key, 503 while keys cannot be checked, 415, 413, 408.
 */
export function createMcpHandler(options: McpOptions): Handler {
  const isOurHost = createHostCheck(options.publicUrl)
  const engine = new Engine(options.log)

  return async (exchange) => {
    const { req, res } = exchange
    if (!isOurHost(req.headers)) throw new HttpError(403, 'forbidden')
    if (req.method !== 'POST') throw new HttpError(405, 'method_not_allowed', { allow: 'POST' })
    await requireKey(options, exchange)
    if (!isJson(req.headers)) throw new HttpError(415, 'unsupported_media_type')
    const body = await readBody(req, { bytes: LARGEST_BODY })

    let request: JSONRPCRequest | undefined
    try {
      request = parseMessage(body)
      if (request === undefined) return void res.writeHead(202).end()
      sendJson(res, 200, await answer(engine, request, exchange))
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      sendJson(res, error.status, error.toResponse(request?.id ?? null))
    }
  }
}

async function requireKey(
  { authenticator, lastUsed, log }: McpOptions,
  { req, requestId: rid }: Exchange,
): Promise<void> {
  const identity = await authenticator.authenticate(req.headers.authorization).catch((error: unknown) => {
    log.error({ rid, err: error }, 'key_not_checked')
    throw new HttpError(503, 'unavailable', { 'retry-after': '5' })
  })
  // No `resource_metadata`: it would announce OAuth, and clients would then ignore the key they were given.
  if (identity === undefined) throw new HttpError(401, 'unauthorized', { 'www-authenticate': 'Bearer' })
  lastUsed.note(identity.keyId)
}

async function answer(
  engine: Engine,
  request: JSONRPCRequest,
  { req, res }: Exchange,
): Promise<JSONRPCResponse> {
  const whenGone = (abandon: () => void) => void res.once('close', abandon)
  if (!isModern(request, req.headers, SUPPORTED_PROTOCOL_VERSIONS))
    return await engine.answer(request, whenGone)
  checkModern(request, req.headers, SUPPORTED_PROTOCOL_VERSIONS)
  const plain =
    request.method === 'server/discover'
      ? discover(request, SUPPORTED_PROTOCOL_VERSIONS)
      : await engine.answer(request, whenGone)
  return stampModern(request.method, plain)
}

function isJson(headers: IncomingHttpHeaders): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')
}
