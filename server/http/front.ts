import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Logger } from '../log.ts'
import { httpRequests } from '../metrics/metrics.ts'
import { drain, RequestAborted } from './body.ts'
import { callerAddress, requestId } from './caller.ts'
import { type Exchange, type Handler, HttpError, sendError } from './reply.ts'

/** Path → method → handler. `*` takes every method and answers for itself. A path that ends in `/` takes what is below it. */
export type Routes = Readonly<Record<string, Readonly<Record<string, Handler>>>>

/** Asked every few seconds by machines; their success is not news. */
const QUIET = new Set(['/livez', '/health', '/metrics'])

/** The HTTP front: finds the handler, answers for what it throws, and writes one log line per request. */
export function createFront(routes: Routes, log: Logger): Server {
  const server = createServer(
    {
      requestTimeout: 30_000,
      headersTimeout: 10_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 16_384,
    },
    (req, res) => void serve(req, res),
  )
  // Longer than the proxy keeps its side open (60 s), or it would reuse a connection we are just closing.
  server.keepAliveTimeout = 75_000
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    else socket.destroy()
  })
  return server

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const started = performance.now()
    const [path = '/', query = ''] = split(req.url ?? '/')
    const exchange: Exchange = { req, res, path, query, requestId: requestId(req), ip: callerAddress(req) }
    res.setHeader('x-request-id', exchange.requestId)
    if (!server.listening) res.setHeader('connection', 'close')
    res.on('close', () => logAccess(exchange, performance.now() - started))
    try {
      await find(routes, exchange)(exchange)
    } catch (error) {
      answerFor(error, exchange)
    }
    drain(req)
  }

  function answerFor(error: unknown, { res, requestId: rid }: Exchange): void {
    if (error instanceof RequestAborted) return
    const known = error instanceof HttpError
    if (!known) log.error({ rid, err: error }, 'request_failed')
    sendError(res, known ? error : new HttpError(500, 'internal_error'))
  }

  function logAccess({ req, res, path, requestId: rid, ip }: Exchange, ms: number): void {
    const status = res.writableFinished ? res.statusCode : 499
    const route = routeOf(routes, path) || 'none'
    httpRequests.inc({ route, method: req.method ?? '', status })
    const level = QUIET.has(path) && status === 200 ? 'debug' : 'info'
    // The route and not the path: below `/media/` comes a ticket, which is good for whoever reads it here.
    log[level]({ rid, method: req.method, route, status, ms: Math.round(ms * 10) / 10, ip }, 'request')
  }
}

function split(url: string): [string, string] {
  const at = url.indexOf('?')
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

/** The route a path belongs to; '' for none. Also what metrics call it, so that callers cannot invent names. */
function routeOf(routes: Routes, path: string): string {
  if (Object.hasOwn(routes, path) && (path === '/' || !path.endsWith('/'))) return path
  const folder = path.slice(0, path.indexOf('/', 1) + 1)
  return folder.length > 1 && path.length > folder.length && Object.hasOwn(routes, folder) ? folder : ''
}

function find(routes: Routes, { path, req }: Exchange): Handler {
  const methods = routes[routeOf(routes, path)]
  if (methods === undefined) throw new HttpError(404, 'not_found')
  const handler =
    methods['*'] ?? (Object.hasOwn(methods, req.method ?? '') ? methods[req.method ?? ''] : undefined)
  if (handler === undefined) {
    throw new HttpError(405, 'method_not_allowed', { allow: Object.keys(methods).join(', ') })
  }
  return handler
}
