import type { Transaction } from './pool.ts'

/**
 * Lets one transaction at a time write messages of a number, until it ends. So the order of `created_at` is the order in which
 * rows become visible, which paging relies on, and two batches cannot deadlock over the same contacts.
 *
 * @param numberId `phone_numbers.id`
 */
export async function lockNumber(sql: Transaction, numberId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${numberId}, 0))`
}
