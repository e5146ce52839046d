import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** One request with what the front has found out about it. */
export interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** Path of the URL, without the query. */
  readonly path: string
  /** Without `?`; may be empty. */
  readonly query: string
  readonly requestId: string
  /** Address of the caller, seen through one trusted proxy. */
  readonly ip: string
}

export type Handler = (exchange: Exchange) => void | Promise<void>

/** A refusal with a status of its own; everything else that is thrown answers 500. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  readonly headers: OutgoingHttpHeaders

  /** @param code Short and stable, for programs; it is the whole body: `{"error":"<code>"}`. */
  constructor(status: number, code: string, headers: OutgoingHttpHeaders = {}) {
    super(code)
    this.status = status
    this.headers = headers
  }
}

/** Ends the response with a value as JSON, in the headers every answer has. */
export function sendJson(
  res: ServerResponse,
  status: number,
  body: unknown,
  headers?: OutgoingHttpHeaders,
): void {
  sendJsonText(res, status, JSON.stringify(body), headers)
}

/** For what is JSON already. */
export function sendJsonText(
  res: ServerResponse,
  status: number,
  text: string,
  headers?: OutgoingHttpHeaders,
): void {
  send(res, status, 'application/json', text, headers)
}

/** Ends the response with plain text. */
export function sendText(res: ServerResponse, status: number, body: string): void {
  send(res, status, 'text/plain; charset=utf-8', body)
}

/** `{"error":"<code>"}`: a string, because MCP clients that probe for OAuth metadata choke on anything else. */
export function sendError(res: ServerResponse, error: HttpError): void {
  sendJson(res, error.status, { error: error.message }, error.headers)
}

function send(
  res: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers?: OutgoingHttpHeaders,
): void {
  if (res.headersSent || res.destroyed) return
  res.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  })
  res.end(body)
}
