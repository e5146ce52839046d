import type { Transaction } from '../db/pool.ts'
import type { StatusItem } from './items.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Every state a message goes through on its way, in the order in which one outweighs another. So `failed` takes the place of
 * `sent`, but what was delivered has not failed, in whatever order the two reports arrive. States that are not listed wait for a
 * person and are changed by nothing Meta says.
 */
const ORDER = '{queued,sending,unknown,held,accepted,sent,failed,delivered,read,played}'

/**
 * Writes what Meta reported and moves the messages it is about forward. A report is matched by wamid or, where we never learnt
 * it, by `biz_opaque_callback_data`; one that matches nothing is kept until {@link adoptParkedStatuses}.
 *
 * @returns which reports were new, and which of those match no message yet.
 */
export async function storeStatuses(
  sql: Transaction,
  numberId: string,
  statuses: readonly StatusItem[],
): Promise<{ added: ReadonlySet<StatusItem>; parked: ReadonlySet<StatusItem> }> {
  if (statuses.length === 0) return { added: new Set(), parked: new Set() }
  // One statement may meet each row of the table once.
  const distinct = new Map(statuses.toReversed().map((status) => [keyOf(status), status]))
  const isFirst = (status: StatusItem) => distinct.get(keyOf(status)) === status
  const rows = statuses
    .filter(isFirst)
    .map(({ wamid, status, recipient, callback, at, error, pricing }, n) => ({
      n,
      wamid,
      status,
      recipient,
      callback,
      message_id: callback !== null && UUID.test(callback) ? callback : null,
      at,
      error,
      pricing,
    }))
  const stored = await sql<(Key & { messageId: string | null })[]>`
    insert into message_statuses as s
      (phone_number_id, message_id, wa_message_id, status, recipient, callback, wa_timestamp, error, pricing)
    select ${numberId}::uuid,
      -- One probe of an index each, however the planner misjudges the size of things.
      coalesce(
        (select id from messages where phone_number_id = ${numberId} and wa_message_id = r.wamid),
        (select id from messages where id = r.message_id and phone_number_id = ${numberId} and direction = 'outbound')),
      r.wamid, r.status, r.recipient, r.callback, r.at, r.error, r.pricing
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r(n int, wamid text, status text,
      recipient text, callback text, message_id uuid, at timestamptz, error jsonb, pricing jsonb)
    order by r.n
    on conflict (phone_number_id, wa_message_id, status, recipient)
      do update set message_id = excluded.message_id where s.message_id is null and excluded.message_id is not null
    returning wa_message_id as wamid, status, recipient, message_id as "messageId"`
  await settle(
    sql,
    stored.flatMap(({ messageId }) => messageId ?? []),
  )
  const items = (keys: readonly Key[]) => new Set(keys.flatMap((key) => distinct.get(keyOf(key)) ?? []))
  return { added: items(stored), parked: items(stored.filter(({ messageId }) => messageId === null)) }
}

/** What makes a report unique at a number. */
type Key = Pick<StatusItem, 'wamid' | 'status' | 'recipient'>

function keyOf({ wamid, status, recipient }: Key): string {
  return `${wamid}\n${status}\n${recipient}`
}

/**
 * Gives a message the reports that were faster than our own commit. Call it in the transaction that records the wamid Meta
 * answered with; hold the number's lock, so that no report slips between.
 */
export async function adoptParkedStatuses(
  sql: Transaction,
  { messageId, numberId, wamid }: { messageId: string; numberId: string; wamid: string },
): Promise<void> {
  const adopted = await sql`
    update message_statuses set message_id = ${messageId}
    where phone_number_id = ${numberId} and wa_message_id = ${wamid} and message_id is null returning 1`
  if (adopted.length > 0) await settle(sql, [messageId])
}

/** Brings messages to where all reports about them, taken together, say they are. A second time it changes nothing. */
async function settle(sql: Transaction, messageIds: readonly string[]): Promise<void> {
  if (messageIds.length === 0) return
  await sql`
    with reported as (
      select message_id,
        max(array_position(${ORDER}::text::text[], status)) as rank,
        (array_agg(wa_message_id order by id))[1] as wamid,
        (array_agg(error order by id) filter (where status = 'failed' and error is not null))[1] as error,
        (array_agg(pricing order by id) filter (where pricing is not null))[1] as pricing
      from message_statuses
      where message_id in (select value::uuid from jsonb_array_elements_text(${JSON.stringify(messageIds)}::text::jsonb))
      group by message_id
    ), next as (
      select m.id, r.wamid, r.pricing, r.error,
        (${ORDER}::text::text[])[greatest(r.rank, array_position(${ORDER}::text::text[], m.status))] as status
      from reported r join messages m on m.id = r.message_id
      where m.direction = 'outbound' and array_position(${ORDER}::text::text[], m.status) is not null
    )
    update messages m set
      status = next.status,
      wa_message_id = coalesce(m.wa_message_id, next.wamid),
      error = case when next.status = 'failed' then coalesce(m.error, next.error) end,
      error_code = case when next.status = 'failed' then coalesce(m.error_code, (next.error ->> 'code')::int) end,
      pricing = coalesce(m.pricing, next.pricing),
      updated_at = now()
    from next
    where m.id = next.id and (m.status <> next.status or m.wa_message_id is null
      or (m.pricing is null and next.pricing is not null))`
}
