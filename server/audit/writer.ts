import { type Database, within } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { appendAfter, appendAlone } from './append.ts'
import type { Audit, AuditEntry } from './audit.ts'
import type { Head } from './canonical.ts'
import { toRow, type Unchained } from './entry.ts'

const DEADLINE_MS = 4_000
/** Keeps one statement well below a megabyte. */
const LARGEST_BATCH = 1_000

interface Waiting {
  readonly row: Unchained
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Writes the chain of `audit_log`. One statement is under way at most; what arrives meanwhile goes together in the next. */
export function createAudit({ sql, log }: { sql: Database; log: Logger }): Audit {
  const waiting: Waiting[] = []
  let working: Promise<void> | undefined
  /** Where we left the chain. While nobody else writes, one statement without a lock is enough to go on from there. */
  let known: Head | undefined

  async function write(rows: readonly Unchained[]): Promise<Head> {
    return (known && (await appendAfter(sql, known, rows))) ?? (await appendAlone(sql, rows))
  }

  async function flush(batch: readonly Waiting[]): Promise<void> {
    try {
      known = await within(DEADLINE_MS, write(batch.map(({ row }) => row)))
      for (const { resolve } of batch) resolve()
    } catch (error) {
      // Whether it was written after all is unknown, and so is the end of the chain.
      known = undefined
      log.error({ err: error, entries: batch.length }, 'audit_not_written')
      for (const { reject } of batch) reject(error)
    }
  }

  async function work(): Promise<void> {
    // Callers of the same moment get into the first batch.
    await new Promise(setImmediate)
    while (waiting.length > 0) await flush(waiting.splice(0, LARGEST_BATCH))
    working = undefined
  }

  return {
    record: async (entry: AuditEntry) => {
      const row = toRow(entry, new Date())
      const written = new Promise<void>((resolve, reject) => waiting.push({ row, resolve, reject }))
      working ??= work()
      await written
    },
    close: async () => {
      await working
    },
  }
}
