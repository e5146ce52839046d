import type { Audit } from '../audit/audit.ts'
import type { Database } from '../db/pool.ts'
import { type Job, type JobContext, NonRetriable, RetryAfter } from '../jobs/job.ts'
import { InvalidAccessTokenError } from '../meta/errors.ts'
import { type Graph, MetaError } from '../meta/graph.ts'
import type { Numbers, PhoneNumber } from '../numbers/numbers.ts'
import { pauseNumber } from '../numbers/pause.ts'
import { safeFilename } from './filename.ts'
import type { MediaFiles } from './files.ts'
import { type UploadIds, UploadRows, type Waiting } from './upload-rows.ts'

/** 2 s, 8 s, 32 s … up to 10 min: about an hour in all. */
const RETRIES = 10
const LONGEST_PAUSE_S = 600

/** Brings a file to Meta, then lets its message go. */
export function createUploadJob(o: {
  sql: Database
  graph: Graph
  numbers: Numbers
  files: MediaFiles
  audit: Audit
}): Job<'wa/media.upload.requested'> {
  const rows = new UploadRows(o.sql)
  return { id: 'upload-media', event: 'wa/media.upload.requested', retries: RETRIES, concurrency: 2, run }

  async function run(ids: UploadIds, context: JobContext): Promise<void> {
    const waiting = await rows.find(ids)
    if (waiting === undefined) return
    const number = await o.numbers.byId(waiting.numberId)
    if (number === undefined) throw new Error('a number with messages is not there')
    if (number.disabledAt !== null || number.pausedAt !== null) return await rows.hold(waiting)
    try {
      await rows.release(waiting, waiting.waMediaId ?? (await upload(number, waiting)))
    } catch (error) {
      if (!(error instanceof MetaError)) throw error
      await refused(number, waiting, error, context)
    }
  }

  async function upload(number: PhoneNumber, waiting: Waiting): Promise<string> {
    const { place, mimeType, filename, mediaId } = waiting
    if (place === null || (await o.files.sizeOf(place)) === undefined) {
      await rows.fail(waiting, 'the file is no longer stored')
      throw new NonRetriable('the file of a message is no longer stored')
    }
    const path = o.files.pathOf(place)
    return await o.graph.uploadMedia(number, {
      path,
      mimeType,
      filename: safeFilename(filename, mimeType, mediaId),
    })
  }

  async function refused(number: PhoneNumber, waiting: Waiting, error: MetaError, context: JobContext) {
    if (error instanceof InvalidAccessTokenError) {
      if (await pauseNumber(o.sql, number.id, error.message)) {
        await record('number.paused', number, waiting, error)
      }
      return await rows.hold(waiting)
    }
    const isFinal = error.retryClass === 'fix' || error.retryClass === 'never'
    if (isFinal || context.isLastAttempt) {
      await rows.fail(waiting, error.message, error)
      await record('message.failed', number, waiting, error)
      throw new NonRetriable(error.message)
    }
    // A file that got there unseen is only one nobody uses, so even an upload without an answer is repeated.
    throw new RetryAfter(
      error.message,
      error.retryAfterS ?? Math.min(2 * 4 ** context.attempt, LONGEST_PAUSE_S),
    )
  }

  function record(action: string, number: PhoneNumber, waiting: Waiting, error: MetaError): Promise<void> {
    return o.audit.record({
      action,
      outcome: 'failed',
      transport: 'job',
      requestId: waiting.requestId ?? undefined,
      clientId: waiting.clientId,
      phoneNumberId: number.waId,
      errorClass: error.name,
      errorCode: error.code >= 0 ? String(error.code) : undefined,
      detail: { message_id: waiting.messageId, type: waiting.type },
    })
  }
}
