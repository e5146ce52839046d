import type { IncomingMessage, RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { readBody } from '../http/body.ts'
import { type Exchange, type Handler, HttpError } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import { authFailures } from '../metrics/metrics.ts'
import type { Cron, Job } from './job.ts'
import { Relay, type RelayOptions } from './relay.ts'
import type { Runner } from './runner.ts'

const PATH = '/api/inngest'
const METHODS = new Set(['GET', 'POST', 'PUT'])
/** The Inngest server sends at most 4 MiB. */
const LARGEST_BODY = 5 * 1024 * 1024
/** A whole server's worth of steps at once, but no more from one address. */
const CALLS_PER_CALLER = 100

export interface InngestOptions extends RelayOptions {
  readonly jobs: readonly Job[]
  readonly crons: readonly Cron[]
}

/** `/api/inngest`, and the relay that hands outbox rows to the Inngest server. */
export function startInngest(o: InngestOptions): Runner & { readonly handler: Handler } {
  const relay = new Relay(o)
  let listener: Promise<RequestListener> | undefined
  const load = () => {
    listener ??= import('./inngest-functions.ts').then(({ createListener }) =>
      createListener({ ...o, path: PATH }),
    )
    return listener
  }
  return { stop: (deadlineMs) => relay.stop(deadlineMs), handler: guard(load, o.log) }
}

/**
 * What stands before the SDK, which reads a body of any size, parses and hashes it before it looks at the signature, and
 * rejects its promise when that fails.
 *
 * 405 for methods it has no use for, 401 without a signature, 413 for a body over 5 MiB, 429 for too many calls at once, 400 for
 * what the SDK chokes on. Whether a signature is right is the SDK's to say: 401.
 */
function guard(load: () => Promise<RequestListener>, log: Logger): Handler {
  const calls = new Map<string, number>()
  return async (exchange) => {
    const { req, ip } = exchange
    if (!METHODS.has(req.method ?? ''))
      throw new HttpError(405, 'method_not_allowed', { allow: [...METHODS].join(', ') })
    if (req.headers['x-inngest-signature'] === undefined) {
      authFailures.inc({ surface: 'inngest' })
      throw new HttpError(401, 'unauthorized')
    }
    const open = calls.get(ip) ?? 0
    if (open >= CALLS_PER_CALLER) throw new HttpError(429, 'too_many_calls', { 'retry-after': '1' })
    calls.set(ip, open + 1)
    try {
      const body = await readBody(req, { bytes: LARGEST_BODY })
      await replay(await load(), exchange, body, log)
      if (exchange.res.statusCode === 401) authFailures.inc({ surface: 'inngest' })
    } finally {
      const left = (calls.get(ip) ?? 1) - 1
      if (left > 0) calls.set(ip, left)
      else calls.delete(ip)
    }
  }
}

/** Hands the request on with a body that has already been read. */
async function replay(
  listener: RequestListener,
  { req, res, requestId: rid }: Exchange,
  body: Buffer,
  log: Logger,
): Promise<void> {
  const { headers, method, url, socket } = req
  const again = Object.assign(Readable.from(body.length > 0 ? [body] : []), { headers, method, url, socket })
  try {
    await listener(again as unknown as IncomingMessage, res)
  } catch (error) {
    // Nothing but a malformed call makes it throw; a function that fails is an answer.
    log.warn({ rid, err: error }, 'inngest_call_malformed')
    if (res.headersSent) res.destroy()
    else throw new HttpError(400, 'bad_request')
  }
}
