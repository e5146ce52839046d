import type { Secret } from '../../secrets/secret.ts'
import { readRecord } from '../backup/job.ts'
import { type BackupSet, JOBS, listSets, openSet } from '../backup/layout.ts'
import { messageOf } from '../lib/fail.ts'

/** A set of this host: usable, or why it is not. */
export type Surveyed =
  | { readonly name: string; readonly set: BackupSet; readonly problem?: undefined }
  | { readonly name: string; readonly set?: undefined; readonly problem: string }

/**
 * Every set of this host, newest first, by what its manifest says. Its files are not read.
 * @param key the secret `backup_signing_key`
 */
export async function survey(directory: string, key: Secret): Promise<Surveyed[]> {
  return Promise.all(
    (await listSets(directory)).map((name) =>
      openSet(directory, name, key).then(
        (set) => ({ name, set }),
        (error: unknown) => ({ name, problem: messageOf(error) }),
      ),
    ),
  )
}

/** How long restoring so many bytes takes, by what it took the last time it was proved, or else by what the dump took. */
export async function estimateSeconds(set: BackupSet, bytes: number, jobs: string = JOBS): Promise<number> {
  const proved = await readRecord('prove-restore', jobs)
  const { bytes: then, seconds } = proved?.result ?? {}
  if (proved?.ok && typeof then === 'number' && typeof seconds === 'number' && then > 0)
    return Math.ceil((seconds * bytes) / then) + 10
  return Math.ceil(set.manifest.seconds * 2) + 10
}
