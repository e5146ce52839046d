import type { Database, Transaction } from './pool.ts'

/** Whose eyes a query has. */
export interface Tenant {
  readonly clientId: string
  /** Ours (`phone_numbers.id`), those the client may read with the tool at hand. */
  readonly numberIds: readonly string[]
}

/**
 * The only way tools reach the database. Queries run as the role `wa_client` under row-level security: they see the tenant's
 * numbers and, on those, inbound messages and the tenant's own. A query that forgets to ask for the tenant gets no foreign row.
 */
export class ClientScope {
  readonly tenant: Tenant
  readonly #sql: Database

  constructor(sql: Database, tenant: Tenant) {
    this.#sql = sql
    this.tenant = tenant
  }

  /** Runs `work` in one read-only snapshot. */
  async read<T>(work: (sql: Transaction) => Promise<T>): Promise<T> {
    const { clientId, numberIds } = this.tenant
    const result = await this.#sql.begin('read only', async (sql) => {
      await sql`select set_config('wa.client', ${clientId}, true), set_config('wa.numbers', ${numberIds.join(',')}, true),
        set_config('role', 'wa_client', true)`
      return { value: await work(sql) }
    })
    return (result as { value: T }).value
  }
}
