import { randomUUID } from 'node:crypto'
import { type Database, within } from '../db/pool.ts'
import { EVENTS } from './events.ts'
import { PATIENCE_MS } from './outage.ts'

/** A row on its way out. */
export interface RelayRow {
  /** A bigint, as text. */
  readonly id: string
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
  readonly key: string
  readonly created_at: Date
}

/** When another process takes over the rows of one that died. */
const LEASE_SECONDS = 30

/** The relay's hold on the outbox. Several may work side by side. */
export class RelayRows {
  readonly #sql: Database
  readonly #relay = randomUUID()

  constructor(sql: Database) {
    this.#sql = sql
  }

  /** Leases up to `count` due rows, and declares those dead that no job could understand. */
  async lease(count: number): Promise<RelayRow[]> {
    // In the order of the index; which of them goes first makes no difference.
    const rows = await within(
      PATIENCE_MS,
      this.#sql<RelayRow[]>`
        update outbox set leased_by = ${this.#relay}, leased_until = now() + make_interval(secs => ${LEASE_SECONDS})
        where id in (
          select id from outbox
          where state = 'ready' and run_after <= now() and (leased_until is null or leased_until <= now())
          order by name, concurrency_key, run_after, id limit ${count} for update skip locked)
        returning id, name, data, concurrency_key as key, created_at`,
    )
    const [good, bad] = [rows.filter(isValid), rows.filter((row) => !isValid(row))]
    if (bad.length > 0) {
      await this.#sql`
        update outbox set state = 'dead', last_error = 'the data is not that of a known event',
          leased_by = null, leased_until = null
        where id in ${this.#sql(bad.map(({ id }) => id))}`
    }
    return good
  }

  async finish(rows: readonly RelayRow[]): Promise<void> {
    await within(
      PATIENCE_MS,
      this.#sql`
        update outbox set state = 'done', done_at = now(), leased_by = null, leased_until = null
        where id in ${this.#sql(rows.map(({ id }) => id))} and leased_by = ${this.#relay}`,
    )
  }

  async release(reason: string): Promise<void> {
    await within(
      PATIENCE_MS,
      this.#sql`
        update outbox set leased_by = null, leased_until = null, last_error = ${reason}
        where state = 'ready' and leased_until is not null and leased_by = ${this.#relay}`,
    )
  }
}

function isValid({ name, data }: RelayRow): boolean {
  return Object.hasOwn(EVENTS, name) && EVENTS[name as keyof typeof EVENTS].safeParse(data).success
}
