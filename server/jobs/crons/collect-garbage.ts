import type { Database } from '../../db/pool.ts'
import type { Logger } from '../../log.ts'

/** Drops counters of windows that are over, sessions nobody uses, and records of work that is done. */
export async function collectGarbage({ sql, log }: { sql: Database; log: Logger }): Promise<void> {
  // Windows are minutes, days and, for the budget, months.
  const buckets = await sql`
    delete from rate_limit_buckets
    where window_start < now() - case when scope_kind like '%minute%' then interval '1 hour' else interval '62 days' end`
  const sessions = await sql`delete from mcp_sessions where last_seen_at < now() - interval '30 minutes'`
  // A job service knows the ids of its events for a day; twice that, and it can be given all of them again after a loss.
  const outbox = await sql`delete from outbox where state = 'done' and done_at < now() - interval '48 hours'`
  const ticks = await sql`delete from cron_runs where tick < now() - interval '30 days'`
  log.info(
    { buckets: buckets.count, sessions: sessions.count, outbox: outbox.count, ticks: ticks.count },
    'garbage_collected',
  )
}
