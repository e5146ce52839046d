import { type Database, within } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { limitHits } from '../metrics/metrics.ts'
import type { Identity } from './identity.ts'
import { MinuteWindow } from './minute-window.ts'

export type Admission = { readonly ok: true } | { readonly ok: false; readonly retryAfterS: number }

/** Requests per minute and key, over a sliding minute, shared by every process of the server. */
export interface RequestLimits {
  admit(identity: Identity): Promise<Admission>
  close(): Promise<void>
}

const EXCHANGE_MS = 250
/** How long the first request of a key waits for what other processes, or we before a restart, have counted. */
const FIRST_LOOK_MS = 1_000
const EXCHANGE_DEADLINE_MS = 4_000

interface Entry {
  readonly window: MinuteWindow
  readonly ready: Promise<void>
  isReady: boolean
}

/**
 * Counts in memory, exactly within one process, and exchanges the counts with the database a few times a second while keys are
 * in use. When the database is away it goes on counting by itself. A refused request is not counted, so waiting helps.
 *
 * @param now milliseconds since 1970; default the clock.
 */
export function createRequestLimits(o: { sql: Database; log: Logger; now?: () => number }): RequestLimits {
  const now = o.now ?? Date.now
  const entries = new Map<string, Entry>()
  let exchanging: Promise<void> | undefined
  const timer = setInterval(() => {
    exchanging ??= exchange().finally(() => {
      exchanging = undefined
    })
  }, EXCHANGE_MS).unref()

  function entryOf(keyId: string): Entry {
    const known = entries.get(keyId)
    if (known) return known
    const window = new MinuteWindow()
    const ready = readTotals(o.sql, [keyId], now(), FIRST_LOOK_MS)
      .then(
        (rows) => window.told(rows.map(({ second, count }) => [second, count])),
        (err: unknown) => o.log.warn({ err }, 'request_counts_not_read'),
      )
      .then(() => {
        entry.isReady = true
      })
    const entry: Entry = { window, ready, isReady: false }
    entries.set(keyId, entry)
    return entry
  }

  async function exchange(): Promise<void> {
    for (const [keyId, { window, isReady }] of entries)
      if (isReady && window.isIdle(now())) entries.delete(keyId)
    const windows = [...entries].map(([keyId, { window }]) => ({ keyId, window }))
    if (windows.length === 0) return
    const news = windows.flatMap(({ keyId, window }) =>
      window.tell().map(([second, count]) => ({ id: keyId, second, count })),
    )
    try {
      if (news.length > 0) await within(EXCHANGE_DEADLINE_MS, addCounts(o.sql, news))
      const ids = windows.map(({ keyId }) => keyId)
      const totals = Map.groupBy(await readTotals(o.sql, ids, now(), EXCHANGE_DEADLINE_MS), ({ id }) => id)
      for (const { keyId, window } of windows)
        window.told((totals.get(keyId) ?? []).map(({ second, count }) => [second, count]))
    } catch (error) {
      // A count that did arrive is then counted twice for a minute: rather too strict than too lax.
      for (const { window } of windows) window.untold()
      o.log.warn({ err: error }, 'request_counts_not_exchanged')
    }
  }

  return {
    admit: async ({ keyId, rpmLimit }) => {
      // On stdio there is no key: the operating system lets the owner in.
      if (keyId === null) return { ok: true }
      const { window, ready } = entryOf(keyId)
      await ready
      const retryAfterS = window.take(rpmLimit, now())
      if (retryAfterS === 0) return { ok: true }
      limitHits.inc({ limit: 'key_minute' })
      return { ok: false, retryAfterS }
    },
    close: async () => {
      clearInterval(timer)
      await exchanging
      await exchange()
    },
  }
}

interface Count {
  readonly id: string
  /** Since 1970. */
  readonly second: number
  readonly count: number
}

/** In one order, so that two processes do not wait for each other's rows. */
async function addCounts(sql: Database, counts: readonly Count[]): Promise<void> {
  await sql`
    insert into rate_limit_buckets as bucket (scope_kind, scope_id, window_start, count)
    select 'key_minute', id, to_timestamp(second), count
    from jsonb_to_recordset(${JSON.stringify(counts)}::text::jsonb) as news (id uuid, second float8, count int)
    order by id, second
    on conflict (scope_kind, scope_id, window_start) do update set count = bucket.count + excluded.count`
}

async function readTotals(
  sql: Database,
  ids: readonly string[],
  nowMs: number,
  deadlineMs: number,
): Promise<Count[]> {
  const query = sql<Count[]>`
    select scope_id as id, extract(epoch from window_start)::float8 as second, count from rate_limit_buckets
    where scope_kind = 'key_minute' and scope_id in ${sql(ids)} and window_start > to_timestamp(${nowMs / 1_000 - 60}::float8)`
  return await within(deadlineMs, query)
}
