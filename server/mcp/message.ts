import {
  isJSONRPCRequest,
  type JSONRPCRequest,
  type JSONRPCResponse,
} from '@modelcontextprotocol/sdk/types.js'

/** JSON-RPC 2.0 §5.1, and what MCP adds. */
export const CODES = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** Handshake era; in the stateless one it is invalidParams. */
  resourceNotFound: -32002,
  /** A header and the body disagree (MCP 2026-07-28, Streamable HTTP). */
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
} as const

/** A JSON-RPC error that also decides the HTTP status. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly status: number
  readonly code: number
  readonly data: unknown

  constructor(status: number, code: number, message: string, data?: unknown) {
    super(message)
    this.status = status
    this.code = code
    this.data = data
  }

  toResponse(id: JSONRPCRequest['id'] | null): unknown {
    const data = this.data === undefined ? {} : { data: this.data }
    return { jsonrpc: '2.0', id, error: { code: this.code, message: this.message, ...data } }
  }
}

export interface Notification {
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

export type Incoming =
  | { readonly kind: 'request'; readonly message: JSONRPCRequest }
  | { readonly kind: 'notification'; readonly message: Notification }
  | { readonly kind: 'response'; readonly message: JSONRPCResponse }

/**
 * Reads a body as one JSON-RPC message.
 *
 * @throws RpcError 400 when it is not JSON or not one JSON-RPC message. Batches left MCP with 2025-06-18.
 */
export function parseMessage(body: Buffer): Incoming {
  let message: unknown
  try {
    message = JSON.parse(body.toString('utf8'))
  } catch {
    throw new RpcError(400, CODES.parseError, 'Parse error')
  }
  if (!isRecord(message) || message.jsonrpc !== '2.0') throw invalid()
  const { id, method, params } = message
  if (method === undefined) {
    if (id === undefined || 'result' in message === 'error' in message) throw invalid()
    return { kind: 'response', message: message as unknown as JSONRPCResponse }
  }
  if (typeof method !== 'string' || 'result' in message || 'error' in message) throw invalid()
  if (params !== undefined && !isRecord(params)) throw invalid()
  if (id === undefined) return { kind: 'notification', message: { method, ...(params && { params }) } }
  const request = { jsonrpc: '2.0', id, method, ...(params && { params }) }
  // The SDK drops what it does not take for a request, without a word; whoever sent it would wait in vain.
  if (!isJSONRPCRequest(request)) throw invalid()
  return { kind: 'request', message: request }
}

/** Whether a value of JSON is an object; a list is none. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export type { JSONRPCRequest, JSONRPCResponse }

function invalid(): RpcError {
  return new RpcError(400, CODES.invalidRequest, 'Invalid Request')
}
