import type { Database } from '../../db/pool.ts'
import type { Logger } from '../../log.ts'

/** Short statements, so that nobody waits for their locks. */
const AT_ONCE = 1_000

/**
 * Forgets what is older than `days`: messages with their statuses, and raw deliveries. A delivery that is still to be
 * understood stays, however old.
 */
export async function removeOldMessages(o: { sql: Database; days: number; log: Logger }): Promise<void> {
  const { sql, days } = o
  const age = sql`make_interval(days => ${days})`
  const messages = await inBatches(
    () => sql`
    delete from messages where id in (
      select id from messages where created_at < now() - ${age} order by created_at limit ${AT_ONCE} for update skip locked)`,
  )
  const statuses = await inBatches(
    () => sql`
    delete from message_statuses where id in (
      select id from message_statuses where message_id is null and created_at < now() - ${age} limit ${AT_ONCE})`,
  )
  const deliveries = await inBatches(
    () => sql`
    delete from webhook_events where id in (
      select id from webhook_events where received_at < now() - ${age} and processed_at is not null
      order by received_at limit ${AT_ONCE})`,
  )
  o.log.info({ days, messages, statuses, deliveries }, 'old_messages_removed')
}

async function inBatches(remove: () => PromiseLike<{ count: number }>): Promise<number> {
  let total = 0
  for (;;) {
    const { count } = await remove()
    total += count
    if (count < AT_ONCE) return total
  }
}
