import { createHash } from 'node:crypto'
import type { Audit } from '../audit/audit.ts'
import { type Database, within } from '../db/pool.ts'
import { readBody } from '../http/body.ts'
import { type Handler, HttpError, sendJson } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { signatureOf, verifySignature } from './signature.ts'

/** Meta sends up to 3 MB; one more for growth. */
const LARGEST_BODY = 4 * 1024 * 1024
/** Shorter than Meta's patience, so that it hears our 503 and repeats. */
const STORE_DEADLINE_MS = 4_000

/**
 * `POST /webhook/meta`: verify, store, then 200. The body is stored as it came and not looked into: the signature already
 * proves whose it is, Meta keeps no second copy, and a refusal would only be repeated for days. So even what is not JSON is
 * stored, and understanding it is the business of whoever reads the table.
 *
 * 404 unless the signature is right, 413 and 408 for bodies too large or too slow, 503 while the database is away (Meta then
 * repeats the delivery).
 */
export function createReceiveHandler(o: {
  sql: Database
  numbers: Numbers
  audit: Audit
  log: Logger
}): Handler {
  return async ({ req, res, requestId: rid }) => {
    const header = req.headers['x-hub-signature-256']
    const signature = typeof header === 'string' ? header : undefined
    // Nobody without at least the shape of a signature gets to fill our memory.
    const body = signatureOf(signature) ? await readBody(req, { bytes: LARGEST_BODY }) : undefined
    const apps = await o.numbers.apps()
    const app = body && apps.find(({ secrets }) => verifySignature(body, signature, secrets))
    if (body === undefined || app === undefined) {
      o.log.warn({ rid, signed: signature !== undefined }, 'webhook_signature_invalid')
      throw new HttpError(404, 'not_found')
    }
    const isNew = await store(o.sql, body).catch((error: unknown) => {
      o.log.error({ rid, err: error }, 'webhook_not_stored')
      throw new HttpError(503, 'unavailable', { 'retry-after': '5' })
    })
    if (!isNew) o.log.info({ rid }, 'webhook_duplicate')
    sendJson(res, 200, { ok: true })
  }
}

/** @returns false when the very same bytes are already there. */
async function store(sql: Database, body: Buffer): Promise<boolean> {
  const sha256 = createHash('sha256').update(body).digest()
  const result = await within(
    STORE_DEADLINE_MS,
    sql`insert into webhook_events (sha256, body) values (${sha256}, ${body}) on conflict (sha256) do nothing`,
  )
  return result.count === 1
}
