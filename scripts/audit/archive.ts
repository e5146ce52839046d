/** The archive as it lies on the far side: segments, and heads that the host signed. Needs nothing but Node and ssh-keygen. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Walk, walk } from './chain.ts'
import { type Head, headName, isHeadName, isSigned, readHead } from './head.ts'
import { parseSegmentName } from './segment.ts'

/** A heartbeat an hour, and time to send it. */
export const OLDEST_MINUTES = 90
const MINUTE_MS = 60_000

/** A clock may be wrong by so much without a word. */
const TOLERANCE_MINUTES = 5

/** A time in which no heartbeat was written: the host was off, or rows were never written. */
export interface Pause {
  /** Last heartbeat before and first one after; ISO 8601, UTC. */
  readonly after: string
  readonly before: string
  readonly minutes: number
}

export interface ArchiveReport {
  /** Whole and fresh. */
  readonly ok: boolean
  readonly segments: number
  readonly rows: number
  /** The last row. */
  readonly last: number
  /** Rows at which the host went on from a restored backup; what came after them before is still here. */
  readonly restores: readonly number[]
  /** Newest heartbeat, ISO 8601, and how long ago it was. */
  readonly newest?: string | undefined
  readonly age_seconds?: number | undefined
  /** They do not come back, so they are no fault. */
  readonly pauses: readonly Pause[]
  readonly faults: readonly string[]
}

/**
 * Checks the whole archive: every hash, that nothing is missing between segments, the signed heads, and its age.
 * @param o.signers public keys of the host; absent: signatures are not checked
 * @throws when the directory cannot be read
 */
export async function verifyArchive(
  directory: string,
  o: { signers?: string | undefined; maxAgeMinutes?: number; now?: Date } = {},
): Promise<ArchiveReport> {
  const names = await readdir(directory)
  const segments = names.flatMap((name) => {
    const ids = parseSegmentName(name)
    return ids === undefined ? [] : [{ name, path: join(directory, name), ...ids }]
  })
  const heads = new Map<string, Head | undefined>()
  for (const name of names.filter(isHeadName).sort()) heads.set(name, await readHead(join(directory, name)))
  const walked = await walk(
    segments,
    [...heads.values()].flatMap((head) => head?.id ?? []),
  )
  const newest = walked.heartbeats.at(-1)
  const age = newest === undefined ? undefined : (o.now ?? new Date()).getTime() - newest
  const faults = [
    ...(walked.complete || segments.length === 0 ? [] : ['the first rows are missing']),
    ...walked.faults,
    ...(await faultsOfHeads(walked, heads, { directory, signers: o.signers })),
    ...faultsOfAge(age, o.maxAgeMinutes ?? OLDEST_MINUTES),
  ]
  return {
    ok: faults.length === 0,
    segments: segments.length,
    rows: walked.rows,
    last: walked.tips.at(-1)?.id ?? 0,
    restores: walked.restores,
    ...(newest !== undefined && { newest: new Date(newest).toISOString() }),
    ...(age !== undefined && { age_seconds: Math.round(age / 1000) }),
    pauses: pausesBetween(walked.heartbeats),
    faults,
  }
}

/** Where the chain ends, a signature must say so: it stands for all that comes before. */
async function faultsOfHeads(
  walked: Walk,
  heads: ReadonlyMap<string, Head | undefined>,
  o: { directory: string; signers: string | undefined },
): Promise<string[]> {
  const faults: string[] = []
  for (const [name, head] of heads) {
    if (head === undefined || headName(head) !== name)
      faults.push(`${name} does not hold the head it is named after`)
    else if (walked.faults.length === 0 && !walked.has(head))
      faults.push(`${name} speaks of a row ${head.id} that is not here`)
  }
  if (walked.faults.length > 0) return faults
  for (const tip of walked.tips) {
    const name = headName(tip)
    if (!heads.has(name)) faults.push(`the rows up to ${tip.id} are covered by no head`)
    else if (o.signers !== undefined && !(await isSigned(join(o.directory, name), o.signers)))
      faults.push(`${name} is not signed by the host`)
  }
  return faults
}

function faultsOfAge(age: number | undefined, limit: number): string[] {
  if (age === undefined) return ['the archive holds no heartbeat']
  const minutes = Math.round(age / MINUTE_MS)
  if (minutes < -TOLERANCE_MINUTES)
    return [`the newest heartbeat is ${-minutes} minutes in the future: one of the two clocks is wrong`]
  if (minutes <= limit) return []
  return [`the newest heartbeat is ${minutes} minutes old, and ${limit} are the limit: nothing arrives`]
}

function pausesBetween(heartbeats: readonly number[]): Pause[] {
  return heartbeats.flatMap((time, index) => {
    const before = heartbeats[index - 1] ?? time
    const minutes = Math.round((time - before) / MINUTE_MS)
    if (minutes <= OLDEST_MINUTES) return []
    return [{ after: new Date(before).toISOString(), before: new Date(time).toISOString(), minutes }]
  })
}
