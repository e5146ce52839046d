import type { Logger } from '../log.ts'

/** Milliseconds to wait for the database: a frozen server gives no error. Longer than it may take for a statement. */
export const PATIENCE_MS = 15_000

/** Says once that something is away and once that it is back, however many attempts fail in between. */
export class Outage {
  readonly #what: string
  readonly #log: Logger
  #away = false

  /** @param what Prefix of the log lines: `<what>_unreachable`, `<what>_back`. */
  constructor(what: string, log: Logger) {
    this.#what = what
    this.#log = log
  }

  noticed(error: unknown): void {
    if (!this.#away) this.#log.warn({ err: error }, `${this.#what}_unreachable`)
    this.#away = true
  }

  over(): void {
    if (this.#away) this.#log.info(`${this.#what}_back`)
    this.#away = false
  }
}
