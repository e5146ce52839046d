import type { Audit } from '../audit/audit.ts'
import type { Database } from '../db/pool.ts'
import { readBody } from '../http/body.ts'
import { type Exchange, type Handler, HttpError, sendJson } from '../http/reply.ts'
import type { Rush } from '../http/rush.ts'
import type { Logger } from '../log.ts'
import { webhooks } from '../metrics/metrics.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { Announcer } from './announcer.ts'
import { Refusals } from './refusals.ts'
import { signatureOf, verifySignature } from './signature.ts'
import { createStore } from './store.ts'

/** Meta sends up to 3 MB; one more for growth. */
const LARGEST_BODY = 4 * 1024 * 1024
/** Bodies held at the same time, by what they announce, so that many large ones cannot exhaust the process. */
const LARGEST_TOTAL = 64 * 1024 * 1024

/**
 * `POST /webhook/meta`: verify, store, then 200. The body is stored as it came and not looked into: the signature already
 * proves whose it is, Meta keeps no second copy, and a refusal would only be repeated for days. So even what is not JSON is
 * stored, and understanding it is the business of the job that follows.
 *
 * 404 unless one of our apps signed it, 413 and 408 for bodies too large or too slow, 503 while the database is away or too
 * much is under way (Meta then repeats the delivery).
 */
export function createReceiveHandler(o: {
  sql: Database
  numbers: Numbers
  audit: Audit
  rush: Rush
  log: Logger
}): Handler {
  const refusals = new Refusals(o)
  const announcer = new Announcer(o)
  const store = createStore(o.sql)
  let held = 0

  return async (exchange) => {
    const header = exchange.req.headers['x-hub-signature-256']
    const signature = typeof header === 'string' ? header : undefined
    // Nobody without at least the shape of a signature gets to fill our memory.
    if (!signatureOf(signature)) refuse(exchange, signature)
    const announced = Number(exchange.req.headers['content-length'] ?? LARGEST_BODY)
    const size = Math.min(announced, LARGEST_BODY)
    if (held + size > LARGEST_TOTAL) throw unavailable()
    held += size
    try {
      await o.rush.during(() => receive(exchange, signature))
    } finally {
      held -= size
    }
  }

  async function receive(exchange: Exchange, signature: string | undefined): Promise<void> {
    const { req, res, requestId: rid } = exchange
    const body = await readBody(req, { bytes: LARGEST_BODY })
    const isNew = await asked(rid, async () => {
      const app = (await o.numbers.apps()).find(({ secrets }) => verifySignature(body, signature, secrets))
      if (app === undefined) return refuse(exchange, signature)
      return await store({ body, appId: app.id, requestId: rid })
    })
    if (isNew) announcer.announce()
    webhooks.inc({ outcome: isNew ? 'stored' : 'duplicate' })
    if (!isNew) o.log.info({ rid }, 'webhook_duplicate')
    sendJson(res, 200, { ok: true })
  }

  /** Whatever keeps the database from answering is a 503: Meta repeats those, and nothing else would help. */
  async function asked<T>(rid: string, question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (error) {
      if (error instanceof HttpError) throw error
      webhooks.inc({ outcome: 'unavailable' })
      o.log.error({ rid, err: error }, 'webhook_not_stored')
      throw unavailable()
    }
  }

  function refuse({ requestId: rid, ip }: Exchange, signature: string | undefined): never {
    refusals.add(ip)
    o.log.warn({ rid, signed: signature !== undefined }, 'webhook_signature_invalid')
    throw new HttpError(404, 'not_found')
  }
}

function unavailable(): HttpError {
  return new HttpError(503, 'unavailable', { 'retry-after': '5' })
}
