import type { Secret } from '../../secrets/secret.ts'
import { Fail } from '../lib/fail.ts'
import { byName } from '../offsite/names.ts'
import type { Remote } from '../offsite/remote.ts'
import { type BrokenSet, namesOfSets, type RemoteSets, remoteSets } from '../offsite/sets.ts'

/** Proved to be ours by its manifest, and complete by the lengths of its files. Their contents are not looked at yet. */
export type OffsiteSet = RemoteSets['complete'][number]

/** What a set holds cannot be used: damaged, altered or not ours. The one before it may be good. */
export class BadSet extends Fail {
  readonly set: string
  readonly problem: string

  constructor(set: string, problem: string, cause?: unknown) {
    super(`${set}: ${problem}`, { next: 'take another set: --set NAME', cause })
    this.set = set
    this.problem = problem
  }
}

/** Manifests to read in one go; a far side that keeps everything has thousands. */
const PAGE = 24

/**
 * The complete sets of the far side, newest first, read when they are asked for.
 * @param only this set and no other
 * @param passOver told of each set that cannot be used
 */
export async function* setsNewestFirst(
  remote: Remote,
  key: Secret,
  only: string | undefined,
  passOver: (set: BrokenSet) => void,
): AsyncGenerator<OffsiteSet, undefined> {
  const all = namesOfSets(byName(await remote.list('sets')))
  const names = all.filter((name) => only === undefined || name === only)
  for (let start = 0; start < names.length; start += PAGE) {
    const { complete, broken } = await remoteSets(remote, key, names.slice(start, start + PAGE))
    for (const set of broken) passOver(set)
    yield* complete
  }
}
