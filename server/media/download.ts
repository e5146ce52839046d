import { lockNumber } from '../db/number-lock.ts'
import type { Database } from '../db/pool.ts'
import { type Job, type JobContext, NonRetriable, RetryAfter } from '../jobs/job.ts'
import type { Logger } from '../log.ts'
import { type Graph, MetaError } from '../meta/graph.ts'
import type { Numbers, PhoneNumber } from '../numbers/numbers.ts'
import { type MediaFiles, type Received, TooLarge } from './files.ts'
import { extensionsOf, LARGEST } from './kinds.ts'
import type { MediaKind } from './media.ts'
import { identify } from './sniff.ts'

/** Meta forgets an inbound file after 7 days ("Media", media ids). */
const MEMORY_MS = 7 * 24 * 60 * 60 * 1000
/** A trickle must not hold a worker for ever. */
const DEADLINE_MS = 5 * 60 * 1000
/** 2 s, 8 s, 32 s … up to 6 h: with these retries about two and a half days. */
const RETRIES = 16
const LONGEST_PAUSE_S = 6 * 60 * 60

interface Pending {
  readonly id: string
  readonly numberId: string
  readonly wamid: string
  readonly waMediaId: string
  readonly kind: MediaKind
  readonly mimeType: string | null
  readonly status: string
  readonly createdAt: Date
}

/** Fetches what a customer sent, while Meta still has it. */
export function createDownloadJob(o: {
  sql: Database
  graph: Graph
  numbers: Numbers
  files: MediaFiles
  log: Logger
}): Job<'wa/media.download.requested'> {
  return { id: 'download-media', event: 'wa/media.download.requested', retries: RETRIES, concurrency: 4, run }

  async function run({ mediaId }: { mediaId: string }, context: JobContext): Promise<void> {
    const media = await load(mediaId)
    // Stored by an earlier run, given up on, or removed since.
    if (media?.status !== 'pending') return
    const number = await o.numbers.byId(media.numberId)
    if (number === undefined || number.disabledAt !== null) return await giveUp(media, 'number_disabled')
    if (Date.now() - media.createdAt.getTime() > MEMORY_MS) return await giveUp(media, 'expired')
    let file: { received: Received; claim: string }
    try {
      file = await fetchFile(number, media)
    } catch (error) {
      if (error instanceof TooLarge) return await giveUp(media, 'too_large')
      if (isGone(error)) return await giveUp(media, 'gone')
      if (context.isLastAttempt) return await giveUp(media, 'unreachable')
      throw new RetryAfter(messageOf(error), Math.min(2 * 4 ** context.attempt, LONGEST_PAUSE_S))
    }
    await keep(number, media, file).finally(() => o.files.discard(file.received))
  }

  async function load(id: string): Promise<Pending | undefined> {
    const [row] = await o.sql<Pending[]>`
      select id, phone_number_id as "numberId", wamid, wa_media_id as "waMediaId", kind, mime_type as "mimeType", status,
        created_at as "createdAt"
      from media_objects where id = ${id} and direction = 'inbound'`
    return row
  }

  /** A URL lives for five minutes only; one that is not found is asked for again, once. */
  async function fetchFile(
    number: PhoneNumber,
    media: Pending,
  ): Promise<{ received: Received; claim: string }> {
    const locate = async () => {
      const location = await o.graph.locateMedia(number, media.waMediaId)
      if ((location.sizeBytes ?? 0) > LARGEST[media.kind]) throw new TooLarge('Meta announces too many bytes')
      return location
    }
    let location = await locate()
    const answer = await o.graph.downloadMedia(number, location.url).catch(async (error: unknown) => {
      if (!(error instanceof MetaError && error.httpStatus === 404)) throw error
      location = await locate()
      return await o.graph.downloadMedia(number, location.url)
    })
    const timer = setTimeout(() => answer.body.destroy(new Error('the download takes too long')), DEADLINE_MS)
    try {
      const received = await o.files.receive(answer.body, LARGEST[media.kind])
      if (location.sha256 !== null && !isHash(location.sha256, received.sha256)) {
        o.log.warn({ mediaId: media.id }, 'media_hash_differs')
      }
      return { received, claim: media.mimeType ?? location.mimeType }
    } finally {
      clearTimeout(timer)
      answer.body.destroy()
    }
  }

  async function keep(
    number: PhoneNumber,
    media: Pending,
    { received, claim }: { received: Received; claim: string },
  ): Promise<void> {
    const { mimeType, mismatch } = await identify(received.head, claim, media.kind)
    const extension = extensionsOf(mimeType)[0] ?? 'bin'
    const place = await o.files.keep(received, {
      waNumberId: number.waId,
      id: media.id,
      extension,
      at: media.createdAt,
    })
    const metadata = mismatch ? { mime_mismatch: true, claimed_mime_type: claim } : {}
    await o.sql.begin(async (sql) => {
      await lockNumber(sql, media.numberId)
      await sql`update media_objects set status = 'stored', error_code = null, mime_type = ${mimeType},
          size_bytes = ${received.sizeBytes}, sha256 = ${received.sha256}, storage_path = ${place}, stored_at = now(),
          metadata = metadata || ${JSON.stringify(metadata)}::text::jsonb
        where id = ${media.id} and status = 'pending'`
      await sql`update messages set media_object_id = ${media.id}
        where phone_number_id = ${media.numberId} and wa_message_id = ${media.wamid} and media_object_id is null`
    })
  }

  async function giveUp(media: Pending, code: string): Promise<never> {
    await o.sql`update media_objects set status = 'failed', error_code = ${code}
      where id = ${media.id} and status = 'pending'`
    throw new NonRetriable(`the file cannot be had: ${code}`)
  }
}

/** Meta knows the id no more, or never did for this number. */
function isGone(error: unknown): boolean {
  // Only Graph's own word counts; a host that merely serves files may answer 4xx for many reasons.
  return (
    error instanceof MetaError &&
    error.code > 0 &&
    (error.retryClass === 'fix' || error.retryClass === 'never')
  )
}

/** Meta writes hashes in base64 here and in hex there. */
function isHash(text: string, sha256: Buffer): boolean {
  return text.toLowerCase() === sha256.toString('hex') || text === sha256.toString('base64')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
