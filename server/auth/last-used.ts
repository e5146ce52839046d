import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'

const EVERY_MS = 10_000

/** Notes when keys were used and writes it in batches: one statement every few seconds, not one per call. */
export class LastUsed {
  readonly #pending = new Map<string, Date>()
  readonly #sql: Database
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout

  constructor(sql: Database, log: Logger) {
    this.#sql = sql
    this.#log = log
    this.#timer = setInterval(() => void this.flush(), EVERY_MS).unref()
  }

  note(keyId: string): void {
    this.#pending.set(keyId, new Date())
  }

  /** Writes what has gathered. When that fails it is kept for the next time: a date is not worth failing for. */
  async flush(): Promise<void> {
    if (this.#pending.size === 0) return
    const batch = [...this.#pending]
    this.#pending.clear()
    const used = JSON.stringify(batch.map(([id, at]) => ({ id, at })))
    try {
      await this.#sql`
        update api_keys k set last_used_at = greatest(k.last_used_at, used.at)
        from jsonb_to_recordset(${used}::text::jsonb) as used (id uuid, at timestamptz)
        where k.id = used.id`
    } catch (error) {
      for (const [id, time] of batch) if (!this.#pending.has(id)) this.#pending.set(id, time)
      this.#log.warn({ err: error }, 'last_used_not_written')
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }
}
