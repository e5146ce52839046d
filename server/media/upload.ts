import { lockNumber } from '../db/number-lock.ts'
import type { Database, Transaction } from '../db/pool.ts'
import { emit } from '../jobs/emit.ts'
import { type Job, type JobContext, NonRetriable, RetryAfter } from '../jobs/job.ts'
import { type Graph, MetaError } from '../meta/graph.ts'
import type { Numbers, PhoneNumber } from '../numbers/numbers.ts'
import { safeFilename } from './filename.ts'
import type { MediaFiles } from './files.ts'
import { holdsMediaId, type SentPayload, withMediaId } from './payload.ts'

/** Meta keeps an uploaded file for 30 days ("Media", upload); a day less, so that no send meets the end. */
const MEMORY_DAYS = 29
/** 2 s, 8 s, 32 s … up to 10 min: about an hour in all. */
const RETRIES = 10
const LONGEST_PAUSE_S = 600

interface Waiting {
  readonly numberId: string
  readonly place: string | null
  readonly mimeType: string
  readonly filename: string | null
  readonly waMediaId: string | null
  readonly messageStatus: string
  readonly payload: SentPayload
}

/** Brings a file to Meta, then lets its message go. */
export function createUploadJob(o: {
  sql: Database
  graph: Graph
  numbers: Numbers
  files: MediaFiles
}): Job<'wa/media.upload.requested'> {
  return { id: 'upload-media', event: 'wa/media.upload.requested', retries: RETRIES, concurrency: 2, run }

  async function run(ids: { mediaId: string; messageId: string }, context: JobContext): Promise<void> {
    const found = await load(ids)
    // Sent on by an earlier run, or decided otherwise meanwhile.
    if (found?.messageStatus !== 'queued' || holdsMediaId(found.payload)) return
    const number = await o.numbers.byId(found.numberId)
    if (number === undefined || number.disabledAt !== null) return await fail(ids, found, 'number_disabled')
    const { place } = found
    if (place === null || (await o.files.sizeOf(place)) === undefined) {
      return await fail(ids, found, 'file_removed')
    }
    try {
      const waMediaId = found.waMediaId ?? (await upload(number, ids.mediaId, { ...found, place }))
      await o.sql.begin((sql) => release(sql, ids, found, waMediaId))
    } catch (error) {
      if (!(error instanceof MetaError)) throw error
      const hopeless = error.retryClass === 'fix' || error.retryClass === 'never'
      if (hopeless || context.isLastAttempt) return await fail(ids, found, 'upload_refused', error)
      // An upload that got there unseen is only a file nobody uses, so even an ambiguous one is repeated.
      throw new RetryAfter(
        `${error.name} ${error.code}`,
        error.retryAfterS ?? Math.min(2 * 4 ** context.attempt, LONGEST_PAUSE_S),
      )
    }
  }

  async function upload(
    number: PhoneNumber,
    mediaId: string,
    { place, mimeType, filename }: Waiting & { place: string },
  ): Promise<string> {
    return await o.graph.uploadMedia(number, {
      path: o.files.pathOf(place),
      mimeType,
      filename: safeFilename(filename, mimeType, mediaId),
    })
  }

  async function load(ids: { mediaId: string; messageId: string }): Promise<Waiting | undefined> {
    const [row] = await o.sql<Waiting[]>`
      select m.phone_number_id as "numberId", m.storage_path as place, m.mime_type as "mimeType", m.filename,
        case when m.wa_media_expires_at > now() then m.wa_media_id end as "waMediaId",
        s.status as "messageStatus", s.payload
      from messages s join media_objects m on m.phone_number_id = s.phone_number_id and m.client_id = s.client_id
      where s.id = ${ids.messageId} and m.id = ${ids.mediaId} and m.direction = 'outbound'`
    return row
  }

  /** Id in the payload and the event to send it: both, or neither, so a second run cannot send twice. */
  async function release(
    sql: Transaction,
    ids: { mediaId: string; messageId: string },
    { numberId }: Waiting,
    waMediaId: string,
  ): Promise<void> {
    await lockNumber(sql, numberId)
    const [message] = await sql<{ payload: SentPayload }[]>`
      select payload from messages where id = ${ids.messageId} and status = 'queued' for update`
    if (message === undefined || holdsMediaId(message.payload)) return
    await sql`
      update media_objects set wa_media_id = ${waMediaId},
        wa_media_expires_at = case when wa_media_id = ${waMediaId} then wa_media_expires_at
          else now() + make_interval(days => ${MEMORY_DAYS}) end
      where id = ${ids.mediaId}`
    await sql`
      update messages set payload = ${JSON.stringify(withMediaId(message.payload, waMediaId))}::text::jsonb, updated_at = now()
      where id = ${ids.messageId}`
    await emit(sql, 'wa/message.send.requested', { messageId: ids.messageId }, { key: numberId })
  }

  async function fail(
    ids: { messageId: string },
    { numberId }: Waiting,
    reason: string,
    error?: MetaError,
  ): Promise<never> {
    const told = {
      code: error?.code ?? null,
      message: error?.message ?? reason,
      details: error?.details ?? null,
    }
    await o.sql.begin(async (sql) => {
      await lockNumber(sql, numberId)
      await sql`
        update messages set status = 'failed', error_code = ${error?.code ?? null},
          error = ${JSON.stringify(told)}::text::jsonb, updated_at = now()
        where id = ${ids.messageId} and status = 'queued'`
    })
    throw new NonRetriable(`the file did not get to Meta: ${reason}`)
  }
}
