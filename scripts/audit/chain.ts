/** Whether segments continue one another. Like segment.ts, it needs nothing but Node. */
import { bySequence, ChainFault, readSegment, type Segment } from './segment.ts'

/** Hash of row 0, which the first row continues. */
export const GENESIS = '0'.repeat(64)

const HEARTBEAT = 'audit.heartbeat'
/** One is written every hour. */
const LONGEST_PAUSE_MS = 90 * 60_000

/** A time in which no heartbeat was written: the host was off, or rows were never written. */
export interface Pause {
  /** Last heartbeat before and first one after; ISO 8601, UTC. */
  readonly after: string
  readonly before: string
  readonly minutes: number
}

export interface Walk {
  /** Row before the first, and its hash as the first row states it. */
  readonly start: { readonly id: number; readonly hash: string }
  readonly rows: number
  /** The last row that was reached. */
  readonly end: { readonly id: number; readonly hash: string }
  /** Hash of every row at which a segment begins or ends, and of those asked for; absent where the chain is broken. */
  readonly hashes: ReadonlyMap<number, string>
  /** Time of the newest heartbeat, in milliseconds. */
  readonly newest: number | undefined
  readonly pauses: readonly Pause[]
  /** What is broken, in the order of the chain. Behind a fault the walk goes on. */
  readonly faults: readonly string[]
}

/**
 * Walks segments from the first row to the last. They may overlap, as two that were closed at the same moment do, when
 * they agree.
 * @param wanted further rows whose hash is of interest
 * @returns `undefined` without segments
 * @throws when a file cannot be read
 */
export async function walk(
  segments: readonly Segment[],
  wanted: Iterable<number> = [],
): Promise<Walk | undefined> {
  const sorted = segments.toSorted(bySequence)
  const [oldest] = sorted
  if (oldest === undefined) return undefined
  const state = new State([...wanted, ...sorted.flatMap(({ first, last }) => [first - 1, last])])
  for (const segment of sorted) {
    try {
      await state.follow(segment, segment === oldest)
    } catch (error) {
      if (!(error instanceof ChainFault)) throw error
      state.broken(segment, error.message)
    }
  }
  return state.result(oldest.first - 1)
}

class State {
  readonly #marks: ReadonlySet<number>
  readonly #hashes = new Map<number, string>()
  /** Ends of broken segments: what comes next cannot be compared with them. */
  readonly #unknown = new Set<number>()
  readonly #faults: string[] = []
  readonly #pauses: Pause[] = []
  #start = GENESIS
  #end = { id: 0, hash: GENESIS }
  #rows = 0
  #newest: number | undefined

  constructor(marks: readonly number[]) {
    this.#marks = new Set(marks)
  }

  async follow(segment: Segment, isOldest: boolean): Promise<void> {
    let hash = this.#hashes.get(segment.first - 1)
    if (hash === undefined && !isOldest && !this.#unknown.has(segment.first - 1)) {
      this.#faults.push(
        segment.first > this.#end.id
          ? `rows ${this.#end.id + 1} to ${segment.first - 1} are missing before ${segment.name}`
          : `${segment.name} begins at row ${segment.first}, where no other segment ends`,
      )
    }
    for await (const row of readSegment(segment)) {
      if (isOldest && row.id === segment.first) this.#start = row.prev
      if (hash !== undefined && row.prev !== hash)
        throw new ChainFault(`${segment.name}: row ${row.id} does not continue row ${row.id - 1}`)
      hash = row.hash
      this.#compare(segment, row.id, hash)
      if (row.id <= this.#end.id) continue
      this.#end = { id: row.id, hash }
      this.#rows += 1
      if (row.action === HEARTBEAT) this.#beat(row.time)
    }
  }

  /** Two segments that hold the same row must hold the same one. */
  #compare(segment: Segment, id: number, hash: string): void {
    if (!this.#marks.has(id)) return
    const known = this.#hashes.get(id)
    if (known !== undefined && known !== hash)
      throw new ChainFault(`${segment.name}: row ${id} is another one than in the segment before`)
    this.#hashes.set(id, hash)
  }

  #beat(time: number): void {
    const before = this.#newest
    this.#newest = time
    if (before === undefined || time - before <= LONGEST_PAUSE_MS) return
    this.#pauses.push({
      after: new Date(before).toISOString(),
      before: new Date(time).toISOString(),
      minutes: Math.round((time - before) / 60_000),
    })
  }

  broken(segment: Segment, fault: string): void {
    this.#faults.push(fault)
    this.#unknown.add(segment.last)
  }

  result(before: number): Walk {
    return {
      start: { id: before, hash: this.#start },
      rows: this.#rows,
      end: this.#end,
      hashes: this.#hashes,
      newest: this.#newest,
      pauses: this.#pauses,
      faults: this.#faults,
    }
  }
}
