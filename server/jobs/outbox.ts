import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, within } from '../db/pool.ts'
import { type Outage, PATIENCE_MS } from './outage.ts'

/** A leased row. */
export interface OutboxRow {
  /** A bigint, as text. */
  readonly id: string
  readonly name: string
  readonly data: unknown
  readonly key: string
  /** Tries so far. */
  readonly attempts: number
}

/** What becomes of a leased row. */
export interface Settlement {
  readonly id: string
  readonly state: 'ready' | 'done' | 'dead'
  readonly attempts: number
  /** Absent: it may run when it could before. */
  readonly delayMs?: number
  readonly error?: string
}

const RETRY_MS = 500

/** One runner's hold on the outbox: takes rows, keeps them from others, and gives them back in bulk. */
export class OutboxLeases {
  readonly #sql: Database
  readonly #outage: Outage
  readonly #seconds: number
  readonly #runner = randomUUID()
  readonly #held = new Set<string>()
  readonly #renewal: NodeJS.Timeout
  #settled: Settlement[] = []
  #flushing: Promise<void> | undefined
  #isClosed = false

  /** @param o.seconds How long rows of a runner that died stay untouched. */
  constructor(o: { sql: Database; outage: Outage; seconds: number }) {
    this.#sql = o.sql
    this.#outage = o.outage
    this.#seconds = o.seconds
    this.#renewal = setInterval(() => void this.#renew(), (o.seconds * 1000) / 3).unref()
  }

  /**
   * Which of the events have rows that wait, due or not: one statement, where taking needs one for each event.
   *
   * @throws whatever the driver throws while the database is away.
   */
  async waiting(events: readonly string[]): Promise<string[]> {
    const rows = await within(
      PATIENCE_MS,
      this.#sql<{ event: string }[]>`
        select event from jsonb_array_elements_text(${JSON.stringify(events)}::text::jsonb) as event
        where exists (select from outbox where state = 'ready' and name = event)`,
    )
    return rows.map(({ event }) => event)
  }

  /**
   * Leases due rows of an event, at most `perKey` of each key and none of the `busy` keys.
   *
   * @throws whatever the driver throws while the database is away.
   */
  async take(event: string, perKey: number, busy: readonly string[]): Promise<OutboxRow[]> {
    const rows = await within(
      PATIENCE_MS,
      this.#sql<OutboxRow[]>`
        select id, name, data, concurrency_key as key, attempts
        from lease_outbox(${event}, ${this.#runner}, ${this.#seconds}, ${perKey}, ${JSON.stringify(busy)}::text::jsonb)
        order by run_after, id`,
    )
    for (const { id } of rows) this.#held.add(id)
    return rows
  }

  /** Written soon, together with what else has ended by then. */
  settle(settlement: Settlement): void {
    this.#settled.push(settlement)
    this.#flushing ??= this.#flush()
  }

  /** Waits until everything settled is written, as long as `signal` lets it. What is settled later is left to its lease. */
  async close(signal: AbortSignal): Promise<void> {
    clearInterval(this.#renewal)
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    await Promise.race([this.#flushing, aborted])
    this.#isClosed = true
  }

  async #flush(): Promise<void> {
    // What ends in the same turn goes into the same statement.
    await delay(0)
    while (this.#settled.length > 0 && !this.#isClosed) {
      const batch = this.#settled
      this.#settled = []
      try {
        await within(PATIENCE_MS, this.#write(batch))
        for (const { id } of batch) this.#held.delete(id)
        this.#outage.over()
      } catch (error) {
        this.#outage.noticed(error)
        this.#settled = [...batch, ...this.#settled]
        await delay(RETRY_MS, undefined, { ref: false })
      }
    }
    this.#flushing = undefined
  }

  /** Not flushed to disk: a crash of the database that forgets it makes the job run once more, which it has to bear anyway. */
  async #write(batch: readonly Settlement[]): Promise<void> {
    await this.#sql`
      with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
      update outbox o set state = s.state, attempts = s.attempts, last_error = coalesce(s.error, o.last_error),
        run_after = coalesce(now() + s."delayMs" * interval '1 millisecond', o.run_after),
        done_at = case when s.state = 'done' then now() end, leased_by = null, leased_until = null
      from jsonb_to_recordset(${JSON.stringify(batch)}::text::jsonb)
        as s (id bigint, state text, attempts int, error text, "delayMs" float8), relaxed
      where o.id = s.id and o.leased_by = ${this.#runner}`
  }

  async #renew(): Promise<void> {
    if (this.#held.size === 0) return
    try {
      await this.#sql`
        update outbox set leased_until = now() + make_interval(secs => ${this.#seconds})
        where id in (select value::bigint from jsonb_array_elements_text(${JSON.stringify([...this.#held])}::text::jsonb))
          and state = 'ready' and leased_by = ${this.#runner}`
    } catch (error) {
      this.#outage.noticed(error)
    }
  }
}
