import { join } from 'node:path'
import type { Progress } from '../backup/job.ts'
import { type BackupSet, DUMP } from '../backup/layout.ts'
import { rowsOf } from '../backup/manifest.ts'
import type { PostgresTools } from '../backup/postgres.ts'
import { checkFiles, Damaged } from './check.ts'
import { dropDatabase, restoreDatabase } from './database.ts'

/** Nobody but the proof uses it. */
export const SCRATCH = 'wa_mcp_proof'

/** A proof that succeeded. */
export interface Proof {
  readonly set: string
  /** of the dump */
  readonly bytes: number
  readonly rows: number
  readonly seconds: number
}

/**
 * Restores a set into a database of its own in the running server, compares every table with the manifest, and drops it.
 * @throws Damaged when it is not what was backed up; Refused when there is too little room
 */
export async function proveRestore(o: {
  tools: PostgresTools
  set: BackupSet
  progress: Progress
}): Promise<Proof> {
  const { tools, set, progress } = o
  const { manifest } = set
  const started = performance.now()
  // The dump is checked by the restore itself.
  await checkFiles(set, [DUMP])
  try {
    const dump = join(set.directory, DUMP)
    const { differences } = await restoreDatabase({ tools, dump, manifest, into: SCRATCH, progress })
    if (differences.length > 0)
      throw new Damaged(
        `what was restored from ${set.name} is not what was backed up`,
        differences.join('\n'),
      )
    return {
      set: set.name,
      bytes: manifest.files.find(({ name }) => name === DUMP)?.bytes ?? 0,
      rows: rowsOf(manifest),
      seconds: Math.round(performance.now() - started) / 1000,
    }
  } finally {
    await dropDatabase(tools, SCRATCH)
  }
}
