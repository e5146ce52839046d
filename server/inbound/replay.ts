import type { Queryable } from '../db/pool.ts'

/**
 * Has stored deliveries processed once more, in the order they came. What is there already stays as it is.
 *
 * @param range By the time of receipt; `until` is exclusive, by default now.
 * @returns how many deliveries were put back into the outbox.
 */
export async function replayEvents(
  sql: Queryable,
  { since, until = new Date() }: { readonly since: Date; readonly until?: Date | undefined },
): Promise<number> {
  const { count } = await sql`
    insert into outbox (name, data)
    select 'wa/webhook.received', jsonb_build_object('eventId', id) from webhook_events
    where received_at >= ${since} and received_at < ${until} order by id`
  return count
}
