import { setTimeout as delay } from 'node:timers/promises'
import type { Stack } from './stack.ts'

const LONGEST_MS = 300_000

/**
 * Waits until every stored delivery has been processed, without an error.
 *
 * @returns how long that took, in milliseconds.
 * @throws when one could not be processed, or nothing moves any more.
 */
export async function allProcessed({ sql }: Stack): Promise<number> {
  const started = performance.now()
  while (performance.now() - started < LONGEST_MS) {
    // One open row answers the question; counting a hundred thousand of them would be work for the machine that is measured.
    const [open] = await sql`select 1 from webhook_events where processed_at is null limit 1`
    if (open === undefined) {
      const [fault] = await sql<{ error: string }[]>`
        select error from webhook_events where error is not null limit 1`
      if (fault) throw new Error(`a delivery could not be processed: ${fault.error}`)
      return performance.now() - started
    }
    await delay(100)
  }
  throw new Error(`deliveries are still unprocessed after ${LONGEST_MS / 1_000} s`)
}
