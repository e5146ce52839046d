import type { Logger } from '../log.ts'
import { jobRuns } from '../metrics/metrics.ts'
import { afterFailure, CRASHES_AT_MOST } from './failure.ts'
import { type Job, NonRetriable } from './job.ts'
import type { Outage } from './outage.ts'
import type { OutboxLeases, OutboxRow } from './outbox.ts'
import { perform } from './perform.ts'
import { Slots } from './slots.ts'

export const WORKERS = 8
/** Enough for a statement to be worth its while, few enough that another process finds some left. */
const ROWS_PER_KEY = 100
/** Between two looks into the outbox: under load each then finds many rows instead of one. */
const SPACING_MS = 30

/** The rows of one job on their way through this process. Every job has its own, so that none waits behind another's. */
export class Lane {
  readonly #job: Job
  readonly #leases: OutboxLeases
  readonly #outage: Outage
  readonly #delaysMs: readonly number[] | undefined
  readonly #log: Logger
  readonly #running = new Set<Promise<void>>()
  readonly #slots: Slots
  #waiting: OutboxRow[] = []
  /** There may be rows that we have not seen. */
  #isDue = false
  /** Keys that may have more rows than we hold. */
  #more = new Set<string>()
  #taking: Promise<void> | undefined
  #isStopped = false
  #lastTake = 0

  constructor(o: {
    job: Job
    leases: OutboxLeases
    outage: Outage
    delaysMs: readonly number[] | undefined
    log: Logger
  }) {
    this.#job = o.job
    this.#slots = new Slots(o.job.workers ?? WORKERS, o.job.concurrency)
    this.#leases = o.leases
    this.#outage = o.outage
    this.#delaysMs = o.delaysMs
    this.#log = o.log
  }

  get event(): string {
    return this.#job.event
  }

  /** Something may be due. */
  wake(): void {
    this.#isDue = true
    this.#next()
  }

  /** Starts nothing more, gives back what has not started, and waits for the rest. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#giveBack(this.#waiting.splice(0))
    await Promise.all([this.#taking, ...this.#running])
  }

  #next(): void {
    if (this.#isStopped) return
    this.#startWhatFits()
    this.#lookAgain()
    if (this.#isDue && this.#slots.isAnyFree) this.#taking ??= this.#take()
  }

  #startWhatFits(): void {
    const left: OutboxRow[] = []
    for (const row of this.#waiting) {
      if (this.#slots.isFree(row.key)) this.#start(row)
      else left.push(row)
    }
    this.#waiting = left
  }

  /** What a key has beyond the rows we hold is asked for when the last of these has started. */
  #lookAgain(): void {
    if (this.#more.size === 0) return
    const held = this.#keys(this.#waiting)
    for (const key of this.#more) {
      if (held.has(key)) continue
      this.#more.delete(key)
      this.#isDue = true
    }
  }

  #keys(rows: readonly OutboxRow[]): Set<string> {
    return new Set(rows.map(({ key }) => key))
  }

  async #take(): Promise<void> {
    try {
      const wait = this.#lastTake + SPACING_MS - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      this.#lastTake = performance.now()
      const busy = this.#keys(this.#waiting)
      this.#isDue = false
      const rows = await this.#leases.take(this.#job.event, ROWS_PER_KEY, [...busy])
      const cut = rows.length < ROWS_PER_KEY ? [] : this.#keys(rows)
      this.#more = new Set([...busy, ...cut])
      if (this.#isStopped) this.#giveBack(rows)
      else this.#waiting.push(...rows)
      this.#outage.over()
    } catch (error) {
      // The poll asks again.
      this.#isDue = false
      this.#outage.noticed(error)
    } finally {
      this.#taking = undefined
    }
    this.#next()
  }

  #giveBack(rows: readonly OutboxRow[]): void {
    for (const { id, attempts } of rows) this.#leases.settle({ id, attempts, state: 'ready' })
  }

  #start(row: OutboxRow): void {
    this.#slots.occupy(row.key)
    const run = this.#run(row).then(() => {
      this.#running.delete(run)
      this.#slots.free(row.key)
      this.#next()
    })
    this.#running.add(run)
  }

  async #run(row: OutboxRow): Promise<void> {
    const { id, attempts } = row
    try {
      if (attempts > this.#job.retries + CRASHES_AT_MOST)
        throw new NonRetriable('the process ended whenever this ran')
      await perform(this.#job, { id, data: row.data, attempt: attempts, log: this.#log })
      this.#leases.settle({ id, attempts, state: 'done' })
      jobRuns.inc({ job: this.#job.id, outcome: 'ok' })
    } catch (error) {
      const settlement = afterFailure(row, this.#job, error, this.#delaysMs)
      const isDead = settlement.state === 'dead'
      this.#leases.settle(settlement)
      jobRuns.inc({ job: this.#job.id, outcome: isDead ? 'dead' : 'retry' })
      const fields = { job: this.#job.id, event: id, attempt: attempts, reason: settlement.error }
      if (isDead) this.#log.error(fields, 'job_dead')
      else this.#log.warn({ ...fields, retryInMs: Math.round(settlement.delayMs ?? 0) }, 'job_failed')
    }
  }
}
