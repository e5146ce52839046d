/** The archive as it lies on the far side: lines of segments with signed heads. Needs nothing but Node and ssh-keygen. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { GENESIS, type Pause, type Walk, walk } from './chain.ts'
import { headName, isSigned, parseHeadName, readHead } from './head.ts'
import { parseSegmentName, type Segment } from './segment.ts'

/** A heartbeat an hour, and time to send it. */
export const OLDEST_MINUTES = 90

/** A clock may be wrong by so much without a word. */
const TOLERANCE_SECONDS = 300

export interface Origin {
  readonly line: string
  readonly row: number
}

/** A chain from its first row, or from the row of an older line at which a restored database went on. */
export interface LineReport {
  /** When it was begun: `20261121T074605Z` */
  readonly name: string
  /** The line and row it goes on from; absent for one that begins with row 1. */
  readonly continues?: Origin | undefined
  readonly segments: number
  readonly rows: number
  readonly last: number
  /** Last row that a signed head covers; 0 when none does. */
  readonly signed: number
}

export interface ArchiveReport {
  readonly ok: boolean
  readonly lines: readonly LineReport[]
  /** Newest heartbeat of the newest line, ISO 8601, and how long ago it was. */
  readonly newest?: string | undefined
  readonly age_seconds?: number | undefined
  /** Times without a heartbeat: the host was off, or rows were never written. They do not come back, so they are no fault. */
  readonly pauses: readonly Pause[]
  readonly faults: readonly string[]
}

interface Line {
  readonly name: string
  readonly directory: string
  readonly segments: readonly Segment[]
  /** Ids of the rows that heads were sent for, oldest first. */
  readonly heads: readonly number[]
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
  const lines = await readLines(directory)
  const starts = lines.flatMap(({ segments }) => segments.map(({ first }) => first - 1))
  const known: { line: string; hashes: Walk['hashes'] }[] = []
  const reports: LineReport[] = []
  const faults: string[] = []
  const pauses: Pause[] = []
  let newest: number | undefined
  for (const line of lines) {
    const walked = await walk(line.segments, [...starts, ...line.heads])
    const fault = (text: string): void => void faults.push(`${line.name}: ${text}`)
    for (const text of walked?.faults ?? []) fault(text)
    pauses.push(...(walked?.pauses ?? []))
    const origin = walked && originOf(walked, known)
    if (origin === 'nowhere')
      fault(`row ${walked?.start.id} is missing, or is another one in the older lines`)
    const signed = walked ? await checkHeads(line, walked, o.signers, fault) : 0
    newest = walked?.newest ?? newest
    reports.push({
      name: line.name,
      ...(typeof origin === 'object' ? { continues: origin } : {}),
      segments: line.segments.length,
      rows: walked?.rows ?? 0,
      last: walked?.end.id ?? 0,
      signed,
    })
    if (walked) known.push({ line: line.name, hashes: walked.hashes })
  }
  const age = newest === undefined ? undefined : Math.round(((o.now ?? new Date()).getTime() - newest) / 1000)
  faults.push(...faultsOfAge(age, o.maxAgeMinutes ?? OLDEST_MINUTES))
  return {
    ok: faults.length === 0,
    lines: reports,
    ...(newest === undefined ? {} : { newest: new Date(newest).toISOString(), age_seconds: age ?? 0 }),
    pauses,
    faults,
  }
}

async function readLines(directory: string): Promise<Line[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory() && /^\d{8}T\d{6}Z$/.test(entry.name))
  return Promise.all(
    names
      .map(({ name }) => name)
      .sort()
      .map((name) => readLine(name, join(directory, name))),
  )
}

async function readLine(name: string, directory: string): Promise<Line> {
  const files = await readdir(directory)
  return {
    name,
    directory,
    segments: files.flatMap((file) => {
      const ids = parseSegmentName(file)
      return ids === undefined ? [] : [{ name: file, path: join(directory, file), ...ids }]
    }),
    heads: files.flatMap((file) => parseHeadName(file) ?? []).sort((a, b) => a - b),
  }
}

function originOf(
  { start }: Walk,
  older: readonly { line: string; hashes: Walk['hashes'] }[],
): Origin | 'beginning' | 'nowhere' {
  if (start.id === 0 && start.hash === GENESIS) return 'beginning'
  const found = older.findLast(({ hashes }) => hashes.get(start.id) === start.hash)
  return found === undefined ? 'nowhere' : { line: found.line, row: start.id }
}

/** @returns the last row that a signed head covers: the newest is signature enough for all before it */
async function checkHeads(
  line: Line,
  walked: Walk,
  signers: string | undefined,
  fault: (text: string) => void,
): Promise<number> {
  for (const id of line.heads) {
    const head = await readHead(join(line.directory, headName(id)))
    if (head?.id !== id) fault(`head-${id}.json does not hold a head of row ${id}`)
    else if (walked.hashes.get(id) !== head.hash) fault(`row ${id} is not the one whose hash the host signed`)
  }
  const newest = line.heads.at(-1)
  if (newest === undefined || newest < walked.end.id)
    fault(`rows ${(newest ?? walked.start.id) + 1} to ${walked.end.id} are covered by no signed head`)
  if (newest === undefined) return 0
  const path = join(line.directory, headName(newest))
  if (signers === undefined || (await isSigned(path, signers))) return newest
  fault(`head-${newest}.json is not signed by the host`)
  return 0
}

function faultsOfAge(seconds: number | undefined, limitMinutes: number): string[] {
  if (seconds === undefined) return ['the archive holds no heartbeat']
  if (seconds < -TOLERANCE_SECONDS)
    return [`the newest heartbeat is ${-seconds} s in the future: one of the two clocks is wrong`]
  if (seconds <= limitMinutes * 60) return []
  return [
    `the newest heartbeat is ${Math.round(seconds / 60)} minutes old, and ${limitMinutes} are the limit: nothing arrives`,
  ]
}
