import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'

/** Between two notices: each is a commit of its own, and whoever hears it needs some milliseconds anyway. */
const SPACING_MS = 20

/**
 * Tells every process that deliveries wait, one notice for all that came since the last. Within the transaction of each delivery
 * it would cost more than the delivery itself: Postgres lets only one transaction that notifies commit at a time. A notice that
 * gets lost is made up for by the runners' own look into the outbox every few seconds.
 */
export class Announcer {
  readonly #sql: Database
  readonly #log: Logger
  #isDue = false
  #isRunning = false

  constructor(o: { sql: Database; log: Logger }) {
    this.#sql = o.sql
    this.#log = o.log
  }

  /** Returns at once. */
  announce(): void {
    this.#isDue = true
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#isDue) {
      this.#isDue = false
      try {
        await this.#sql`select pg_notify('outbox', 'wa/webhook.received')`
      } catch (err) {
        this.#log.warn({ err }, 'deliveries_not_announced')
      }
      await delay(SPACING_MS, undefined, { ref: false })
    }
    this.#isRunning = false
  }
}
