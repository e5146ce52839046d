import type { Transaction } from '../db/pool.ts'
import { emit } from '../jobs/emit.ts'

/** Lets the jobs take a message that has just been queued: at once, or after its file is with Meta. */
export async function handOver(sql: Transaction, messageId: string): Promise<void> {
  const [row] = await sql<{ key: string; mediaId: string | null }[]>`
    select phone_number_id as key, media_object_id as "mediaId" from messages where id = ${messageId}`
  if (row === undefined) throw new Error('a message that is to be sent is not there')
  const { key, mediaId } = row
  if (mediaId === null) await emit(sql, 'wa/message.send.requested', { messageId }, { key })
  else await emit(sql, 'wa/media.upload.requested', { mediaId, messageId }, { key })
}
