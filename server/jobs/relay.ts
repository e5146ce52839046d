import type { InngestConfig } from '../config/env.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { EventApiError, postEvents } from './event-api.ts'
import { reasonOf } from './failure.ts'
import { Outage } from './outage.ts'
import { type RelayRow, RelayRows } from './relay-rows.ts'
import type { Runner } from './runner.ts'

/** Events hold ids only, some hundred bytes each: so many stay far below the 512 KiB a call may have. */
const BATCH = 500
/** After a batch that was not full: the next finds several rows instead of one. */
const SPACING_MS = 10
const POLL_MS = 2_000
const LONGEST_WAIT_MS = 30_000
const DAY_MS = 24 * 3_600_000
const ALARM_EVERY_MS = 3_600_000

export interface RelayOptions {
  readonly config: InngestConfig
  readonly sql: Database
  readonly listener: Listener
  readonly log: Logger
  /** First wait after a failed hand-over; it doubles up to half a minute. Default 1 s. */
  readonly retryMs?: number
  /** How long the event API may take. Default 3 s. */
  readonly timeoutMs?: number
}

/** Hands due outbox rows to the Inngest server, at least once each. While the server is away or refuses us, they wait. */
export class Relay implements Runner {
  readonly #o: RelayOptions
  readonly #rows: RelayRows
  readonly #inngest: Outage
  readonly #outbox: Outage
  readonly #unsubscribe: () => void
  readonly #ended: Promise<void>
  #isStopped = false
  #isIdle = false
  #hasNews = true
  #wake: () => void = () => {}
  #failures = 0
  #lastAlarm = 0

  constructor(o: RelayOptions) {
    this.#o = o
    this.#rows = new RelayRows(o.sql)
    this.#inngest = new Outage('inngest', o.log)
    this.#outbox = new Outage('outbox', o.log)
    this.#unsubscribe = o.listener.on('outbox', {
      onNotice: () => {
        this.#hasNews = true
        if (this.#isIdle) this.#wake()
      },
    })
    this.#ended = this.#run()
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#unsubscribe()
    this.#isStopped = true
    this.#wake()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs)
    })
    await Promise.race([this.#ended, late])
    clearTimeout(timer)
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#hasNews = false
      const count = await this.#handOver()
      if (this.#isStopped) return
      if (count === undefined) await this.#sleep(this.#backoff())
      else if (count > 0 && count < BATCH) await this.#sleep(SPACING_MS)
      else if (count === 0 && !this.#hasNews) {
        this.#isIdle = true
        await this.#sleep(POLL_MS)
        this.#isIdle = false
      }
    }
  }

  /** @returns how many went out; undefined when that failed. */
  async #handOver(): Promise<number | undefined> {
    let rows: readonly RelayRow[] = []
    try {
      rows = await this.#rows.lease(BATCH)
      this.#outbox.over()
      if (rows.length > 0) {
        await postEvents(this.#o.config, rows, this.#o.timeoutMs ?? 3_000)
        this.#inngest.over()
        await this.#rows.finish(rows)
      }
      this.#failures = 0
      return rows.length
    } catch (error) {
      if (error instanceof EventApiError) await this.#refused(error, rows)
      else this.#outbox.noticed(error)
      return undefined
    }
  }

  async #refused(error: EventApiError, rows: readonly RelayRow[]): Promise<void> {
    this.#failures += 1
    this.#inngest.noticed(error)
    this.#alarmIfOld(rows)
    // If even that fails, the lease runs out by itself.
    await this.#rows.release(reasonOf(error)).catch((cause: unknown) => this.#outbox.noticed(cause))
  }

  /** Inngest knows an event it has had before for a day only: what was handed over without our noticing could run twice. */
  #alarmIfOld(rows: readonly RelayRow[]): void {
    const now = Date.now()
    const oldest = Math.min(...rows.map((row) => row.created_at.getTime()))
    if (now - oldest < DAY_MS || now - this.#lastAlarm < ALARM_EVERY_MS) return
    this.#lastAlarm = now
    this.#o.log.error({ oldest: new Date(oldest).toISOString() }, 'outbox_older_than_a_day')
  }

  #backoff(): number {
    // It was the database, which either answers or does not.
    if (this.#failures === 0) return POLL_MS
    const most = Math.min((this.#o.retryMs ?? 1_000) * 2 ** (this.#failures - 1), LONGEST_WAIT_MS)
    return most * (0.5 + 0.5 * Math.random())
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
