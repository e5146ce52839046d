import type { PostgresTools } from '../backup/postgres.ts'
import { psql } from './psql.ts'

/** What a restored database holds back until the operator decides. */
export interface Held {
  /** Messages that waited to be sent: each has a row in the outbox that is `held`, and is `held` itself. */
  readonly held: number
  /** Messages whose sending had begun: Meta may have them, so they are `unknown` and are never sent again. */
  readonly unknown: number
}

/** How many messages a database holds back now, and of how many it is not known whether Meta has them. */
export async function countHeld(tools: PostgresTools): Promise<Held> {
  const [row = []] = await psql(
    tools,
    `select count(*) filter (where status = 'held' and wa_message_id is null), count(*) filter (where status = 'unknown')
     from messages where status in ('held', 'unknown')`,
  )
  return { held: Number(row[0]), unknown: Number(row[1]) }
}

/** Far more rows than a host writes between two backups. */
const GAP = 1_000_000_000

/**
 * One transaction. What was pending when the backup was made may have been sent since, so nothing of it goes out by itself.
 * Deliveries, downloads and lists of templates are left alone: to do them again sends nothing.
 *
 * A message may be queued although no row of the outbox waits for it: a job service had it, whose memory is not in the
 * backup. Such a message gets a row of its own, so that the outbox shows everything that is held.
 *
 * Open rows get new ids, beyond those that were given since the backup: a job service ignores for a day what has the id
 * of a row it has had.
 */
export const HOLD_PENDING = `
update outbox set leased_by = null, leased_until = null where state = 'ready';

update outbox o set
  state = case when m.status = 'queued' then 'held' else 'done' end,
  done_at = case when m.status = 'queued' then null else now() end
from messages m
where o.state = 'ready' and o.name in ('wa/message.send.requested', 'wa/media.upload.requested')
  and m.id = (o.data->>'messageId')::uuid;

insert into outbox (name, data, concurrency_key, state)
select
  case when needs_upload then 'wa/media.upload.requested' else 'wa/message.send.requested' end,
  jsonb_strip_nulls(jsonb_build_object('mediaId', case when needs_upload then media_object_id end, 'messageId', id)),
  phone_number_id::text, 'held'
from (
  select *, media_object_id is not null and coalesce(
    payload #>> array[payload->>'type', 'id'],
    payload #>> array['interactive', 'header', payload #>> '{interactive,header,type}', 'id'],
    (select parameter #>> array[parameter->>'type', 'id'] from jsonb_path_query(
      payload, '$.template.components[*] ? (@.type == "header").parameters[0]') parameter limit 1)) is null as needs_upload
  from messages m
  where status = 'queued' and direction = 'outbound'
    and not exists (select from outbox o where o.state in ('held', 'dead') and o.data->>'messageId' = m.id::text)
) forgotten
order by created_at, id;

do $$ begin
  perform setval(pg_get_serial_sequence('outbox', 'id'), (select coalesce(max(id), 0) + ${GAP} from outbox));
end $$;
update outbox set id = default where state <> 'done';

with settled as (
  update messages set status = case status when 'queued' then 'held' else 'unknown' end, updated_at = now()
  where direction = 'outbound' and status in ('queued', 'sending') and wa_message_id is null
  returning status
)
select count(*) filter (where status = 'held')::int as held, count(*) filter (where status = 'unknown')::int as unknown
from settled;
`

/**
 * Holds back what a restored database would send. A second time it finds nothing more to hold.
 *
 * @param tools Of the superuser, on the restored database, which nobody else uses yet.
 * @throws Error when the database refuses; then nothing was changed.
 */
export async function holdPending(tools: PostgresTools): Promise<Held> {
  const [row = []] = await psql(tools, HOLD_PENDING, { seconds: 600 })
  return { held: Number(row[0]), unknown: Number(row[1]) }
}
