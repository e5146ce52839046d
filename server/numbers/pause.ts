import type { Queryable } from '../db/pool.ts'

/**
 * Nothing is sent from the number until the operator resumes it.
 *
 * @param numberId `phone_numbers.id`
 * @returns whether it was not paused before.
 */
export async function pauseNumber(sql: Queryable, numberId: string, reason: string): Promise<boolean> {
  const paused = await sql`
    update phone_numbers set paused_at = now(), paused_reason = ${reason} where id = ${numberId} and paused_at is null`
  return paused.count === 1
}
