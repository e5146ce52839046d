import { step } from './bech32.ts'

/** A symbol at `position` is off by `delta` (exclusive or), which adds `syndrome` to the syndrome of the key. */
export interface Mistake {
  readonly position: number
  readonly delta: number
  readonly syndrome: number
}

const ANY_DELTA = Array.from({ length: 31 }, (_, index) => index + 1)

/** All mistakes possible at one place of a key of `length` symbols. */
export function mistakesAt(
  position: number,
  length: number,
  deltas: readonly number[] = ANY_DELTA,
): Mistake[] {
  return deltas.map((delta) => {
    let syndrome = delta
    for (let after = position + 1; after < length; after++) syndrome = step(syndrome, 0)
    return { position, delta, syndrome }
  })
}

/**
 * Unreadable symbols as linear algebra over GF(2): which bits of them make up a given syndrome. With no such symbol,
 * only syndrome 0 has a (trivial) solution.
 */
export class Unreadable {
  readonly #bits: readonly Mistake[]
  /** echelon form, largest first: each vector is the sum of the bits in `mask` */
  readonly #basis: { readonly vector: number; readonly mask: number }[] = []
  /** sets of bits that cancel out */
  readonly #kernel: number[] = [0]

  /** @param positions at most six, so that their 30 bits fit a mask */
  constructor(positions: readonly number[], length: number) {
    this.#bits = positions.flatMap((position) => mistakesAt(position, length, [1, 2, 4, 8, 16]))
    for (const [index, bit] of this.#bits.entries()) {
      const { vector, mask } = this.#reduce(bit.syndrome, 1 << index)
      if (vector === 0) this.#kernel.push(...this.#kernel.map((other) => other ^ mask))
      else {
        this.#basis.push({ vector, mask })
        this.#basis.sort((a, b) => b.vector - a.vector)
      }
    }
  }

  /** What the unreadable symbols cannot explain; equal for syndromes that differ only by what they can. */
  remainder(syndrome: number): number {
    return this.#reduce(syndrome, 0).vector
  }

  *solve(syndrome: number): Generator<Mistake[]> {
    const { vector, mask } = this.#reduce(syndrome, 0)
    if (vector !== 0) return
    for (const cancelling of this.#kernel) {
      yield this.#bits.filter((_, index) => ((mask ^ cancelling) >>> index) & 1)
    }
  }

  #reduce(vector: number, mask: number): { vector: number; mask: number } {
    let reduced = { vector, mask }
    for (const row of this.#basis) {
      // Leading bits differ, so exclusive or makes the number smaller exactly when the row's leading bit is set.
      const next = reduced.vector ^ row.vector
      if (next < reduced.vector) reduced = { vector: next, mask: reduced.mask ^ row.mask }
    }
    return reduced
  }
}

/**
 * All sets of exactly `wrong` (0 to 4) mistakes at different readable places that, together with the unreadable
 * symbols, explain the syndrome `target`. Three and four meet in the middle, in a table of all pairs.
 */
export function* combinations(
  length: number,
  wrong: number,
  target: number,
  gaps: readonly number[],
): Generator<Mistake[]> {
  const unreadable = new Unreadable(gaps, length)
  const goal = unreadable.remainder(target)
  for (const mistakes of readable(length, wrong, goal, gaps, unreadable)) {
    const rest = mistakes.reduce((sum, mistake) => sum ^ mistake.syndrome, target)
    for (const filled of unreadable.solve(rest)) yield [...mistakes, ...filled]
  }
}

function* readable(
  length: number,
  wrong: number,
  goal: number,
  gaps: readonly number[],
  unreadable: Unreadable,
): Generator<Mistake[]> {
  if (wrong === 0) {
    if (goal === 0) yield []
    return
  }
  const candidates = gaps.length === 0 ? candidatesOfWhole(length) : new Candidates(length, gaps, unreadable)
  const choose = (indexes: readonly number[]) => indexes.map((index) => candidates.all[index] as Mistake)
  for (const indexes of meet(candidates, wrong, goal)) yield choose(indexes)
}

/** Every mistake at a readable place, ascending in position, and what the unreadable ones cannot explain of it. */
class Candidates {
  readonly all: readonly Mistake[]
  readonly keys: Int32Array
  readonly places: Uint8Array
  #pairs: PairTable | undefined

  constructor(length: number, gaps: readonly number[], unreadable: Unreadable) {
    this.all = Array.from({ length }, (_, position) => position)
      .filter((position) => !gaps.includes(position))
      .flatMap((position) => mistakesAt(position, length))
    this.keys = Int32Array.from(this.all, ({ syndrome }) => unreadable.remainder(syndrome))
    this.places = Uint8Array.from(this.all, ({ position }) => position)
  }

  get pairs(): PairTable {
    this.#pairs ??= new PairTable(this.keys, this.places)
    return this.#pairs
  }
}

const ofWhole = new Map<number, Candidates>()

/** Kept, since one key mistyped is searched for under several readings and numbers of mistakes, and then typed again. */
function candidatesOfWhole(length: number): Candidates {
  const made = ofWhole.get(length) ?? new Candidates(length, [], new Unreadable([], length))
  ofWhole.set(length, made)
  return made
}

/** Index sets, ascending in position, whose keys add up to `goal`. */
function* meet(candidates: Candidates, wrong: number, goal: number): Generator<number[]> {
  const { all, keys, places } = candidates
  const place = (index: number) => places[index] ?? 0
  const key = (index: number) => keys[index] ?? 0
  if (wrong === 1) {
    for (const index of all.keys()) if (key(index) === goal) yield [index]
    return
  }
  if (wrong === 2) {
    const byKey = Map.groupBy(all.keys(), key)
    for (const first of all.keys()) {
      for (const second of byKey.get(goal ^ key(first)) ?? [])
        if (place(first) < place(second)) yield [first, second]
    }
    return
  }
  const { pairs } = candidates
  for (const first of all.keys()) {
    const rest = goal ^ key(first)
    if (wrong === 3) {
      const pair = pairs.find(rest)
      if (pair && place(first) < place(pair[0])) yield [first, ...pair]
      continue
    }
    for (let second = first + 1; second < all.length; second++) {
      if (place(first) === place(second)) continue
      const pair = pairs.find(rest ^ key(second))
      if (pair && place(second) < place(pair[0])) yield [first, second, ...pair]
    }
  }
}

/** 1.6 million pairs by their key; flat arrays, since a Map of that size takes seconds. Keys of pairs are distinct. */
class PairTable {
  static readonly #SLOTS = 1 << 22
  readonly #keys = new Int32Array(PairTable.#SLOTS)
  readonly #pairs = new Int32Array(PairTable.#SLOTS)

  constructor(keys: Int32Array, place: Uint8Array) {
    for (let first = 0; first < keys.length; first++) {
      for (let second = first + 1; second < keys.length; second++) {
        if (place[first] === place[second]) continue
        const key = (keys[first] ?? 0) ^ (keys[second] ?? 0)
        const slot = this.#slot(key)
        this.#keys[slot] = key
        this.#pairs[slot] = (first << 11) | second
      }
    }
  }

  find(key: number): [number, number] | undefined {
    const slot = this.#slot(key)
    // No pair has the key 0, which marks a free slot.
    if (key === 0 || this.#keys[slot] !== key) return undefined
    const pair = this.#pairs[slot] ?? 0
    return [pair >>> 11, pair & 0x7ff]
  }

  #slot(key: number): number {
    let slot = Math.imul(key, 0x9e3779b1) >>> 10
    while (this.#keys[slot] !== 0 && this.#keys[slot] !== key) slot = (slot + 1) & (PairTable.#SLOTS - 1)
    return slot
  }
}
