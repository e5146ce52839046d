import type { IncomingHttpHeaders } from 'node:http'
import type { Retry } from './context.ts'
import { CODES, isRecord, type JSONRPCRequest, type JSONRPCResponse, RpcError } from './message.ts'
import { SERVER_INFO } from './sdk-server.ts'
import type { Surface } from './surface.ts'

/**
 * The stateless era of the protocol, revision 2026-07-28: no handshake, every request says its version, and the headers
 * repeat what a proxy may want to know. Everything here is what that revision adds around the requests both eras share.
 */
export const MODERN_VERSION = '2026-07-28'

export const META = 'io.modelcontextprotocol/'
const METHODS = new Set([
  'server/discover',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'subscriptions/listen',
])
/** `private`, because what a caller may see depends on its key. */
const LISTS = { ttlMs: 60_000, cacheScope: 'private' }
/** A resource changes with every message. */
const READS = { ttlMs: 0, cacheScope: 'private' }
const CACHING: Readonly<Record<string, typeof LISTS>> = {
  'server/discover': LISTS,
  'tools/list': LISTS,
  'resources/list': LISTS,
  'resources/templates/list': LISTS,
  'prompts/list': LISTS,
  'resources/read': READS,
}
/** What `Mcp-Name` repeats. */
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
}
const STATUS: Readonly<Record<number, number>> = {
  [CODES.methodNotFound]: 404,
  [CODES.missingCapability]: 400,
}

/** Whether the request belongs to the modern era; `legacy` are the versions of the handshake era. */
export function isModern(
  request: JSONRPCRequest,
  headers: IncomingHttpHeaders,
  legacy: readonly string[],
): boolean {
  const version = headers['mcp-protocol-version']
  return (
    request.method === 'server/discover' ||
    metaOf(request)[`${META}protocolVersion`] !== undefined ||
    (typeof version === 'string' && !legacy.includes(version))
  )
}

/**
 * Checks what the revision asks of every request.
 *
 * @returns What the client can do, and what it brings along for a second try.
 * @throws RpcError 400 for a version we do not speak, headers that disagree with the body, or missing `_meta` fields;
 *   404 for a method the revision, or this server, does not have.
 */
export function checkModern(
  request: JSONRPCRequest,
  headers: IncomingHttpHeaders,
  legacy: readonly string[],
): { clientCapabilities: Readonly<Record<string, unknown>>; retry: Retry } {
  const meta = metaOf(request)
  const inBody = meta[`${META}protocolVersion`]
  const inHeader = headers['mcp-protocol-version']
  if (inBody !== undefined) mirror('MCP-Protocol-Version', inHeader, inBody)
  const requested = inBody ?? inHeader
  if (requested !== undefined && requested !== MODERN_VERSION) {
    const data = { supported: [MODERN_VERSION, ...legacy], requested }
    throw new RpcError(400, CODES.unsupportedVersion, 'Unsupported protocol version', data)
  }
  if (inBody === undefined) throw missing('protocolVersion')
  mirror('Mcp-Method', headers['mcp-method'], request.method)
  const named = Object.hasOwn(NAMED, request.method) ? NAMED[request.method] : undefined
  if (named) mirror('Mcp-Name', decode(headers['mcp-name']), request.params?.[named])
  const clientCapabilities = meta[`${META}clientCapabilities`]
  if (!isRecord(clientCapabilities)) throw missing('clientCapabilities')
  if (!METHODS.has(request.method)) throw new RpcError(404, CODES.methodNotFound, 'Method not found')
  const { inputResponses, requestState } = request.params ?? {}
  return {
    clientCapabilities,
    retry: {
      inputResponses: isRecord(inputResponses) ? inputResponses : {},
      requestState: typeof requestState === 'string' ? requestState : undefined,
    },
  }
}

/** `server/discover`, which takes the place of the handshake. */
export function discover(
  request: JSONRPCRequest,
  surface: Surface,
  legacy: readonly string[],
): JSONRPCResponse {
  const { capabilities, instructions } = surface
  const result = { supportedVersions: [MODERN_VERSION, ...legacy], capabilities, instructions }
  return { jsonrpc: '2.0', id: request.id, result }
}

/** Adds to a result what the revision wants in each of them. */
export function stampModern(method: string, response: JSONRPCResponse): JSONRPCResponse {
  if (!('result' in response)) return response
  const result = {
    resultType: 'complete',
    ...(Object.hasOwn(CACHING, method) && CACHING[method]),
    ...response.result,
    _meta: { ...response.result._meta, [`${META}serverInfo`]: SERVER_INFO },
  }
  return { ...response, result }
}

/** The HTTP status the revision gives an answer that is not streamed. */
export function statusOf(response: JSONRPCResponse): number {
  return 'error' in response ? (STATUS[response.error.code] ?? 200) : 200
}

function metaOf(request: JSONRPCRequest): Record<string, unknown> {
  const meta = request.params?._meta
  return isRecord(meta) ? meta : {}
}

function missing(field: string): RpcError {
  return new RpcError(400, CODES.invalidParams, `params._meta["${META}${field}"] is missing`)
}

function mirror(name: string, header: string | string[] | undefined, body: unknown): void {
  if (header !== body)
    throw new RpcError(400, CODES.headerMismatch, `The header ${name} does not repeat the body`)
}

/** Names that do not fit a header travel as `=?base64?…?=`. */
function decode(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string') return undefined
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(header)?.[1]
  return encoded === undefined ? header : Buffer.from(encoded, 'base64').toString('utf8')
}
