/** Whether segments continue one another. Like segment.ts, it needs nothing but Node. */
import { Overlap } from './overlap.ts'
import { bySequence, ChainFault, type Row, readSegment, type Segment } from './segment.ts'

/** Hash of row 0, which the first row continues. */
const GENESIS = '0'.repeat(64)

const HEARTBEAT = 'audit.heartbeat'

export interface End {
  readonly id: number
  /** Hexadecimal. */
  readonly hash: string
}

export interface Walk {
  /** Whether the oldest segment begins with row 1. */
  readonly complete: boolean
  /** Each counted once, whatever segments hold it. */
  readonly rows: number
  /** Ends that nothing continues: of the chain, and of branches that a restore abandoned; oldest first. */
  readonly tips: readonly End[]
  /** Rows at which the chain parts because a backup was restored. */
  readonly restores: readonly number[]
  /** Whether some row at which a segment begins or ends, or that was asked for, has this hash. */
  has(end: End): boolean
  /** Times of all heartbeats in milliseconds, ascending. */
  readonly heartbeats: readonly number[]
  /** What is broken, in the order of the chain. Behind a fault the walk goes on. */
  readonly faults: readonly string[]
}

/**
 * Walks segments from the first row to the last.
 * @param wanted further rows whose hash is of interest
 * @throws when a file cannot be read
 */
export async function walk(segments: readonly Segment[], wanted: Iterable<number> = []): Promise<Walk> {
  const sorted = segments.toSorted(bySequence)
  const walker = new Walker(sorted, wanted)
  for (const segment of sorted) await walker.take(segment)
  return walker.result()
}

class Walker {
  readonly #overlap: Overlap
  readonly #oldest: Segment | undefined
  readonly #marks: ReadonlySet<number>
  /** Hashes of marked rows. */
  readonly #known = new Map<number, Set<string>>()
  /** Last rows of broken segments: what comes next cannot be compared with them. */
  readonly #unknown = new Set<number>()
  readonly #ends = new Map<string, End>()
  /** Hashes that some row continues. */
  readonly #continued = new Set<string>()
  readonly #restores = new Set<number>()
  readonly #heartbeats: number[] = []
  readonly #faults: string[] = []
  #rows = 0
  #reach = 0

  constructor(sorted: readonly Segment[], wanted: Iterable<number>) {
    this.#overlap = new Overlap(sorted)
    this.#oldest = sorted[0]
    this.#marks = new Set([...wanted, ...sorted.flatMap(({ first, last }) => [first - 1, last])])
  }

  async take(segment: Segment): Promise<void> {
    try {
      let before: Row | undefined
      for await (const row of readSegment(segment)) {
        if (before === undefined) this.#attach(segment, row)
        else if (row.prev !== before.hash)
          throw new ChainFault(`${segment.name}: row ${row.id} does not continue row ${before.id}`)
        this.#meet(segment, row)
        before = row
      }
      if (before) this.#ends.set(before.hash, { id: before.id, hash: before.hash })
    } catch (error) {
      if (!(error instanceof ChainFault)) throw error
      this.#faults.push(error.message)
      this.#unknown.add(segment.last)
    }
    this.#reach = Math.max(this.#reach, segment.last)
  }

  /** The first row of a segment. */
  #attach(segment: Segment, { id, prev }: Row): void {
    this.#continued.add(prev)
    if (id === 1) {
      if (prev !== GENESIS) throw new ChainFault(`${segment.name}: row 1 continues something`)
      return
    }
    const known = this.#known.get(id - 1)
    if (known?.has(prev)) return
    if (known) throw new ChainFault(`${segment.name}: row ${id} does not continue row ${id - 1}`)
    // Taken at its word from here on.
    this.#known.set(id - 1, new Set([prev]))
    if (segment === this.#oldest || this.#unknown.has(id - 1)) return
    this.#faults.push(
      id > this.#reach + 1
        ? `rows ${this.#reach + 1} to ${id - 1} are missing before ${segment.name}`
        : `${segment.name} begins at row ${id}, where no other segment ends`,
    )
  }

  #meet(segment: Segment, row: Row): void {
    const what = this.#overlap.meet(row)
    if (what === 'other') {
      throw new ChainFault(
        `${segment.name}: row ${row.id} is another one than before, and it does not say that a backup was restored`,
      )
    }
    if (what === 'restored') this.#restores.add(row.id)
    if (what !== 'same') {
      this.#rows += 1
      if (row.action === HEARTBEAT) this.#heartbeats.push(row.time)
    }
    if (!this.#marks.has(row.id)) return
    const hashes = this.#known.get(row.id) ?? new Set<string>()
    this.#known.set(row.id, hashes.add(row.hash))
    if (row.id < segment.last) this.#continued.add(row.hash)
  }

  result(): Walk {
    return {
      complete: this.#oldest?.first === 1,
      rows: this.#rows,
      tips: [...this.#ends.values()]
        .filter(({ hash }) => !this.#continued.has(hash))
        .sort((a, b) => a.id - b.id),
      restores: [...this.#restores].sort((a, b) => a - b),
      has: ({ id, hash }) => this.#known.get(id)?.has(hash) === true,
      heartbeats: this.#heartbeats.sort((a, b) => a - b),
      faults: this.#faults,
    }
  }
}
