import { pipeline } from 'node:stream/promises'
import type { Secret } from '../../secrets/secret.ts'
import type { Audit } from '../audit/audit.ts'
import type { Grant, Grants } from '../auth/grants.ts'
import type { Database } from '../db/pool.ts'
import { type Exchange, type Handler, HttpError } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import { authFailures } from '../metrics/metrics.ts'
import { attachment, safeFilename } from './filename.ts'
import type { MediaFiles } from './files.ts'
import { type ByteRange, parseRange } from './range.ts'
import { type MediaTicket, verifyTicket } from './signed-url.ts'
import { plainType } from './sniff.ts'

/** Tool whose links these are; a grant that lists tools must list it. */
const TOOL = 'get_media'

interface Shown {
  readonly id: string
  readonly numberId: string
  readonly clientId: string
  readonly direction: 'inbound' | 'outbound'
  readonly mimeType: string | null
  readonly filename: string | null
  readonly sha256: Buffer
  readonly place: string
  readonly ownerAsks: boolean
}

/**
 * `GET` and `HEAD /media/<token>`: the file, to whoever holds a link that is still good, as long as the client it was made for
 * may still see it. Whatever is wrong, the answer is 404; a part outside the file is 416.
 */
export function createMediaHandler(o: {
  sql: Database
  grants: Grants
  files: MediaFiles
  audit: Audit
  signingSecret: Secret
  previousSigningSecret?: Secret | undefined
  log: Logger
}): Handler {
  return async (exchange) => {
    const ticket = verified(exchange.path.slice('/media/'.length))
    if (ticket === undefined) {
      authFailures.inc({ surface: 'media' })
      throw new HttpError(404, 'not_found')
    }
    const admitted = await admit(exchange, ticket).catch((error: unknown) => {
      o.log.error({ rid: exchange.requestId, err: error }, 'media_not_looked_up')
      throw new HttpError(503, 'unavailable', { 'retry-after': '5' })
    })
    if (admitted === undefined) throw new HttpError(404, 'not_found')
    await answer(exchange, admitted.file, admitted.size)
  }

  /** Links made before a rotation of the key still have some minutes to live. */
  function verified(token: string): MediaTicket | undefined {
    const previous = o.previousSigningSecret
    return verifyTicket(o.signingSecret, token) ?? (previous && verifyTicket(previous, token))
  }

  /** Whether the one who holds the link may still see what it shows; on record either way, before the first byte leaves. */
  async function admit(
    { requestId, ip }: Exchange,
    ticket: MediaTicket,
  ): Promise<{ file: Shown; size: number } | undefined> {
    const file = await findFile(ticket)
    const grant = file && (await grantFor(ticket, file))
    const size = file && grant && (await o.files.sizeOf(file.place))
    const admitted = file !== undefined && size !== undefined ? { file, size } : undefined
    await o.audit.record({
      action: 'media.read',
      outcome: admitted ? 'ok' : 'refused',
      transport: 'http',
      requestId,
      ip,
      clientId: ticket.clientId,
      phoneNumberId: grant?.number.waId,
      ...(admitted === undefined && { errorClass: 'not_found' }),
      detail: { media_id: ticket.mediaId },
    })
    return admitted
  }

  /** The file and who asks for it; neither a removed file nor a disabled client gets this far. */
  async function findFile({ mediaId, clientId }: MediaTicket): Promise<Shown | undefined> {
    const [row] = await o.sql<Shown[]>`
      select m.id, m.phone_number_id as "numberId", m.client_id as "clientId", m.direction, m.mime_type as "mimeType",
        m.filename, m.sha256, m.storage_path as place, c.is_owner as "ownerAsks"
      from media_objects m, clients c
      where m.id = ${mediaId} and m.status = 'stored' and c.id = ${clientId} and c.disabled_at is null`
    return row
  }

  async function grantFor({ clientId }: MediaTicket, file: Shown): Promise<Grant | undefined> {
    const grants = await o.grants.of(clientId, file.ownerAsks)
    return grants.find(
      ({ number, verbs, allowedTools }) =>
        number.id === file.numberId &&
        (allowedTools === null || allowedTools.includes(TOOL)) &&
        (file.direction === 'inbound' ? verbs.includes('read') : file.clientId === clientId),
    )
  }

  async function answer({ req, res }: Exchange, file: Shown, size: number): Promise<void> {
    const type = plainType(file.mimeType) ?? 'application/octet-stream'
    const etag = `"${file.sha256.toString('hex')}"`
    const headers = {
      'content-type': type,
      'content-disposition': attachment(safeFilename(file.filename, type, file.id)),
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-store',
      'accept-ranges': 'bytes',
      etag,
    }
    const range = askedRange(req.headers, etag, size)
    if (range === 'unsatisfiable') {
      throw new HttpError(416, 'range_not_satisfiable', { 'content-range': `bytes */${size}` })
    }
    const length = range === 'whole' ? size : range.end - range.start + 1
    res.writeHead(range === 'whole' ? 200 : 206, {
      ...headers,
      'content-length': length,
      ...(range !== 'whole' && { 'content-range': `bytes ${range.start}-${range.end}/${size}` }),
    })
    if (req.method === 'HEAD' || size === 0) return void res.end()
    await stream(file, range === 'whole' ? undefined : range, res)
  }

  async function stream(file: Shown, range: ByteRange | undefined, res: Exchange['res']): Promise<void> {
    try {
      await pipeline(o.files.read(file.place, range), res)
    } catch (error) {
      // The headers are out: all that is left is to break off. A reader that went away is no news.
      if ((error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return
      o.log.error({ mediaId: file.id, err: error }, 'media_broke_off')
      res.destroy()
    }
  }
}

/** A part counts only for the bytes its asker has the other parts of (RFC 9110 §13.1.5), and only for GET. */
function askedRange(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  etag: string,
  size: number,
): ByteRange | 'whole' | 'unsatisfiable' {
  const condition = headers['if-range']
  if (condition !== undefined && condition !== etag) return 'whole'
  return parseRange(typeof headers.range === 'string' ? headers.range : undefined, size)
}
