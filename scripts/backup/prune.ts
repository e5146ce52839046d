import type { Progress } from './job.ts'
import { listSets, removeSet } from './layout.ts'
import { expired } from './retention.ts'

/**
 * Removes what had its time; see {@link expired}.
 * @param made the set or snapshot that was just published
 * @returns names of what was removed
 */
export async function prune(directory: string, made: string, progress: Progress): Promise<string[]> {
  const old = expired(await listSets(directory), made)
  for (const name of old) {
    progress(`removing ${name}, which had its time`)
    await removeSet(directory, name)
  }
  return old
}
