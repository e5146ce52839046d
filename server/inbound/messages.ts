import type { Transaction } from '../db/pool.ts'
import { emitAll } from '../jobs/emit.ts'
import type { PhoneNumber } from '../numbers/numbers.ts'
import { type Contact, current } from './contact.ts'
import type { MessageItem } from './items.ts'

/** Those we do not have yet, each once: Meta repeats deliveries, alone or in other company. */
export async function onlyNew(
  sql: Transaction,
  numberId: string,
  messages: readonly MessageItem[],
): Promise<readonly MessageItem[]> {
  if (messages.length === 0) return []
  const first = new Map(messages.toReversed().map((message) => [message.wamid, message]))
  const known = await sql<{ wamid: string }[]>`
    select wa_message_id as wamid from messages
    where phone_number_id = ${numberId}
      and wa_message_id in (select jsonb_array_elements_text(${JSON.stringify([...first.keys()])}::text::jsonb))`
  for (const { wamid } of known) first.delete(wamid)
  return messages.filter((message) => first.get(message.wamid) === message)
}

export interface Addressed {
  readonly message: MessageItem
  readonly contact: Contact
  /** Of the request that brought it. */
  readonly requestId: string | null
}

/** Writes new messages in their order, with a row and a download for each file. Call it after the contacts are saved. */
export async function insertMessages(
  sql: Transaction,
  number: PhoneNumber,
  addressed: readonly Addressed[],
): Promise<void> {
  if (addressed.length === 0) return
  const media = await insertMedia(
    sql,
    number,
    addressed.map(({ message }) => message),
  )
  const rows = addressed.map(({ message, contact, requestId }, n) => ({
    n,
    contact_id: current(contact).id,
    direction: message.direction,
    message_type: message.type,
    body: message.body,
    payload: message.payload,
    raw: message.raw,
    wamid: message.wamid,
    reply_to: message.replyTo,
    status: message.direction === 'inbound' ? 'received' : 'sent',
    at: message.at,
    media_id: media.get(message.wamid) ?? null,
    request_id: requestId,
  }))
  // Ordered, because the cursor of readers goes by the order in which these rows are made.
  await sql`
    insert into messages (phone_number_id, client_id, contact_id, direction, message_type, body, payload, raw, wa_message_id,
      reply_to_wamid, media_object_id, status, wa_timestamp, request_id)
    select ${number.id}::uuid, ${number.clientId}::uuid, contact_id, direction, message_type, body, payload, raw, wamid,
      reply_to, media_id, status, at, request_id
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as m(n int, contact_id uuid, direction text,
      message_type text, body text, payload jsonb, raw jsonb, wamid text, reply_to text, status text, at timestamptz,
      media_id uuid, request_id text)
    order by n`
}

/** @returns `media_objects.id` by wamid. */
async function insertMedia(
  sql: Transaction,
  number: PhoneNumber,
  messages: readonly MessageItem[],
): Promise<ReadonlyMap<string, string>> {
  const rows = messages.flatMap(({ wamid, direction, media }) =>
    media ? { wamid, direction, ...media } : [],
  )
  if (rows.length === 0) return new Map()
  const files = await sql<{ id: string; wamid: string; status: string }[]>`
    insert into media_objects (phone_number_id, client_id, direction, kind, wamid, wa_media_id, mime_type, filename)
    select ${number.id}::uuid, ${number.clientId}::uuid, direction, kind, wamid, m.id, m."mimeType", filename
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as m(wamid text, direction text, kind text, id text, "mimeType" text, filename text)
    -- The file may outlive its message, which is then stored a second time by a replay.
    on conflict (phone_number_id, wamid, wa_media_id) where direction = 'inbound' do update set wamid = excluded.wamid
    returning id, wamid, status`
  const pending = files.filter(({ status }) => status === 'pending').map(({ id }) => ({ mediaId: id }))
  await emitAll(sql, 'wa/media.download.requested', pending, { key: number.id })
  return new Map(files.map(({ id, wamid }) => [wamid, id]))
}
