import type { Logger } from '../log.ts'
import { jobRuns } from '../metrics/metrics.ts'
import { afterFailure, CRASHES_AT_MOST } from './failure.ts'
import { type Job, NonRetriable } from './job.ts'
import type { Outage } from './outage.ts'
import type { OutboxLeases, OutboxRow } from './outbox.ts'
import { perform } from './perform.ts'

const WORKERS = 8
/** Enough for a statement to be worth its while, few enough that another process finds some left. */
const ROWS_PER_KEY = 100
/** Between two looks into the outbox: under load each then finds many rows instead of one. */
const SPACING_MS = 10

/** The rows of one job on their way through this process. Every job has its own, so that none waits behind another's. */
export class Lane {
  readonly #job: Job
  readonly #leases: OutboxLeases
  readonly #outage: Outage
  readonly #delaysMs: readonly number[] | undefined
  readonly #log: Logger
  readonly #running = new Set<Promise<void>>()
  readonly #runningPerKey = new Map<string, number>()
  #waiting: OutboxRow[] = []
  /** There may be rows that we have not seen. */
  #isDue = false
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
    while (this.#hasWorker()) {
      const at = this.#waiting.findIndex(({ key }) => this.#hasRoom(key))
      if (at === -1) break
      for (const row of this.#waiting.splice(at, 1)) this.#start(row)
    }
    if (this.#isDue && this.#hasWorker()) this.#taking ??= this.#take()
  }

  #hasWorker(): boolean {
    return this.#running.size < (this.#job.workers ?? WORKERS)
  }

  #hasRoom(key: string): boolean {
    return key === '' || (this.#runningPerKey.get(key) ?? 0) < this.#job.concurrency
  }

  async #take(): Promise<void> {
    try {
      const wait = this.#lastTake + SPACING_MS - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      this.#lastTake = performance.now()
      // Of a key with rows at hand we need no more yet; what else it has is looked for again later.
      const busy = [...new Set(this.#waiting.map(({ key }) => key))]
      this.#isDue = busy.length > 0
      const rows = await this.#leases.take(this.#job.event, ROWS_PER_KEY, busy)
      if (rows.length >= ROWS_PER_KEY) this.#isDue = true
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
    const { key } = row
    this.#runningPerKey.set(key, (this.#runningPerKey.get(key) ?? 0) + 1)
    const run = this.#run(row).then(() => {
      this.#running.delete(run)
      const left = (this.#runningPerKey.get(key) ?? 1) - 1
      if (left > 0) this.#runningPerKey.set(key, left)
      else this.#runningPerKey.delete(key)
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
