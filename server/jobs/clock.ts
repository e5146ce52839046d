import { Cron as Schedule } from 'croner'
import { type Database, within } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { jobRuns } from '../metrics/metrics.ts'
import { reasonOf } from './failure.ts'
import type { Cron } from './job.ts'
import { type Outage, PATIENCE_MS } from './outage.ts'

const BEAT_MS = 15_000

/**
 * Runs each cron once per tick, over all processes: whoever inserts the row of the tick runs it. It looks back to the latest
 * tick instead of waiting for the next, so that one which fell into a restart or an outage is made up for.
 */
export class Clock {
  readonly #sql: Database
  readonly #log: Logger
  readonly #outage: Outage
  readonly #crons: readonly { readonly cron: Cron; readonly schedule: Schedule }[]
  readonly #running = new Map<string, Promise<void>>()
  /** Latest tick of each cron that needs no more looking into. */
  readonly #settled = new Map<string, number>()
  readonly #timer: NodeJS.Timeout

  constructor(o: { sql: Database; crons: readonly Cron[]; outage: Outage; log: Logger }) {
    this.#sql = o.sql
    this.#log = o.log
    this.#outage = o.outage
    this.#crons = o.crons.map((cron) => ({
      cron,
      // UTC by its offset, since looking up a time zone by name takes ten times as long.
      schedule: new Schedule(cron.schedule, { utcOffset: 0, mode: '5-part' }),
    }))
    this.#timer = setInterval(() => this.beat(), BEAT_MS).unref()
    this.beat()
  }

  /** Starts what is due at `now` and not running already. */
  beat(now = new Date()): void {
    const due = this.#crons.flatMap(({ cron, schedule }) => {
      const [tick] = schedule.previousRuns(1, now)
      if (tick === undefined || this.#running.has(cron.id) || this.#settled.get(cron.id) === tick.getTime())
        return []
      return [{ cron, tick }]
    })
    if (due.length === 0) return
    const claimed = this.#claim(due)
    for (const { cron, tick } of due) {
      const run = this.#attend(cron, tick, claimed).finally(() => this.#running.delete(cron.id))
      this.#running.set(cron.id, run)
    }
  }

  /** Starts nothing more and waits for what runs. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#running.values())
  }

  async #attend(cron: Cron, tick: Date, claimed: Promise<ReadonlySet<string>>): Promise<void> {
    try {
      if ((await claimed).has(cron.id)) await this.#run(cron, tick)
      this.#settled.set(cron.id, tick.getTime())
      this.#outage.over()
    } catch (error) {
      // Not settled, so the next beat tries again.
      this.#outage.noticed(error)
    }
  }

  /** @returns whose tick is ours to run. The first one ever only starts the record: nothing can have been missed. */
  async #claim(due: readonly { readonly cron: Cron; readonly tick: Date }[]): Promise<Set<string>> {
    const ticks = due.map(({ cron, tick }) => ({ id: cron.id, tick }))
    const rows = await within(
      PATIENCE_MS,
      this.#sql<{ id: string; is_known: boolean }[]>`
        insert into cron_runs (id, tick)
        select id, tick from jsonb_to_recordset(${JSON.stringify(ticks)}::text::jsonb) as t (id text, tick timestamptz)
        on conflict do nothing
        returning id, exists (select from cron_runs earlier where earlier.id = cron_runs.id) as is_known`,
    )
    return new Set(rows.filter((row) => row.is_known).map(({ id }) => id))
  }

  async #run(cron: Cron, tick: Date): Promise<void> {
    const log = this.#log.child({ job: cron.id })
    let reason: string | null = null
    try {
      await cron.run({ log })
    } catch (error) {
      reason = reasonOf(error)
      log.error({ reason }, 'cron_failed')
    }
    jobRuns.inc({ job: cron.id, outcome: reason === null ? 'ok' : 'dead' })
    await within(
      PATIENCE_MS,
      this
        .#sql`update cron_runs set finished_at = now(), error = ${reason} where id = ${cron.id} and tick = ${tick}`,
    )
  }
}
