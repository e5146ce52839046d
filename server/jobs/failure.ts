import { type Job, NonRetriable, RetryAfter } from './job.ts'
import type { OutboxRow, Settlement } from './outbox.ts'

/** Waits before the second, third … try; the last one repeats. */
export const DELAYS_MS = [1_000, 5_000, 30_000, 120_000, 600_000] as const

/**
 * How often the process may end in the middle of a job before the job is given the blame. Apart from the job's own retries,
 * because a restart says nothing about the job.
 */
export const CRASHES_AT_MOST = 5

const LONGEST = 500

/** A failure in words that may be stored: what the database quotes from rows is left out. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  if (severity !== undefined) return `PostgresError ${String(code)}`
  return `${error.name}: ${error.message}`.slice(0, LONGEST)
}

/** What follows from the failure of a try: another one later, or the end. */
export function afterFailure(
  row: OutboxRow,
  job: Job,
  error: unknown,
  delaysMs: readonly number[] = DELAYS_MS,
): Settlement {
  const { id } = row
  const attempts = row.attempts + 1
  const isOver = error instanceof NonRetriable || attempts > job.retries
  if (isOver) return { id, attempts, state: 'dead', error: reasonOf(error) }
  const planned = delaysMs[Math.min(row.attempts, delaysMs.length - 1)] ?? 0
  // Spread, so that what failed together does not come back together.
  const delayMs = error instanceof RetryAfter ? error.seconds * 1000 : planned * (0.8 + 0.4 * Math.random())
  return { id, attempts, state: 'ready', delayMs, error: reasonOf(error) }
}
