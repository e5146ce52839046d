import { lockNumber } from '../db/number-lock.ts'
import type { Database } from '../db/pool.ts'
import { emit } from '../jobs/emit.ts'
import type { MetaError } from '../meta/graph.ts'
import { holdsMediaId, type SentPayload, withMediaId } from './payload.ts'

export interface UploadIds {
  readonly mediaId: string
  readonly messageId: string
}

/** A message that waits for its file to be with Meta. */
export interface Waiting extends UploadIds {
  readonly numberId: string
  readonly clientId: string
  readonly requestId: string | null
  readonly type: string
  readonly place: string | null
  readonly mimeType: string
  readonly filename: string | null
  /** Of an earlier upload that Meta still has. */
  readonly waMediaId: string | null
}

/** Meta keeps an uploaded file for 30 days ("Media", upload); a day less, so that no send meets the end. */
const MEMORY_DAYS = 29
/** How often a paused number is looked at again. */
const PAUSE_S = 60

/** Every change of rows around an upload. Each method is one transaction. */
export class UploadRows {
  readonly #sql: Database

  constructor(sql: Database) {
    this.#sql = sql
  }

  /** `undefined` when an earlier run let the message go, or it was decided otherwise. */
  async find({ mediaId, messageId }: UploadIds): Promise<Waiting | undefined> {
    const [row] = await this.#sql<(Waiting & { status: string; payload: SentPayload })[]>`
      select m.id as "mediaId", s.id as "messageId", s.phone_number_id as "numberId", s.client_id as "clientId",
        s.request_id as "requestId", s.message_type as type, m.storage_path as place, m.mime_type as "mimeType", m.filename,
        case when m.wa_media_expires_at > now() then m.wa_media_id end as "waMediaId", s.status, s.payload
      from messages s join media_objects m on m.phone_number_id = s.phone_number_id and m.client_id = s.client_id
      where s.id = ${messageId} and m.id = ${mediaId} and m.direction = 'outbound'`
    return row?.status === 'queued' && !holdsMediaId(row.payload) ? row : undefined
  }

  /** Id in the payload and the event to send it: both, or neither, so a second run cannot send twice. */
  async release({ mediaId, messageId, numberId }: Waiting, waMediaId: string): Promise<void> {
    await this.#sql.begin(async (sql) => {
      await lockNumber(sql, numberId)
      const [message] = await sql<{ payload: SentPayload }[]>`
        select payload from messages where id = ${messageId} and status = 'queued' for update`
      if (message === undefined || holdsMediaId(message.payload)) return
      await sql`
        update media_objects set wa_media_id = ${waMediaId},
          wa_media_expires_at = now() + make_interval(days => ${MEMORY_DAYS})
        where id = ${mediaId} and wa_media_id is distinct from ${waMediaId}`
      const payload = JSON.stringify(withMediaId(message.payload, waMediaId))
      await sql`
        update messages set payload = ${payload}::text::jsonb, updated_at = now() where id = ${messageId}`
      await emit(sql, 'wa/message.send.requested', { messageId }, { key: numberId })
    })
  }

  /** Asks again in a while, as often as it takes. */
  async hold({ mediaId, messageId, numberId }: Waiting): Promise<void> {
    const runAfter = new Date(Date.now() + PAUSE_S * 1_000)
    await emit(this.#sql, 'wa/media.upload.requested', { mediaId, messageId }, { key: numberId, runAfter })
  }

  /** @param error What Meta said; absent when it was not asked. */
  async fail({ messageId, numberId }: Waiting, title: string, error?: MetaError): Promise<void> {
    const told = { title, details: error?.details, subcode: error?.subcode, fbtrace_id: error?.fbtraceId }
    const code = error !== undefined && error.code >= 0 ? error.code : null
    await this.#sql.begin(async (sql) => {
      await lockNumber(sql, numberId)
      await sql`
        update messages set status = 'failed', error_code = ${code}, error = ${JSON.stringify(told)}::text::jsonb,
          updated_at = now()
        where id = ${messageId} and status = 'queued'`
    })
  }
}
