import type { Row, Segment } from './segment.ts'

/** What the server records first in a database that came back from a backup. */
const RESTORED = 'admin.audit.restored'

/**
 * Rows that more than one segment holds. They are the same where two segments were closed at the same moment, and others
 * where a database was restored: then the chain has two branches, and one of them says so in its first row.
 */
export class Overlap {
  readonly #ranges: { first: number; last: number }[] = []
  /** What follows a row, by its hash: hashes, and whether each begins with a restore. */
  readonly #children = new Map<string, Map<string, boolean>>()

  /** @param sorted by their first rows */
  constructor(sorted: readonly Segment[]) {
    let reach = 0
    for (const { first, last } of sorted) {
      if (first <= reach) this.#add(first, Math.min(last, reach))
      reach = Math.max(reach, last)
    }
  }

  #add(first: number, last: number): void {
    const open = this.#ranges.at(-1)
    if (open && first <= open.last + 1) open.last = Math.max(open.last, last)
    else this.#ranges.push({ first, last })
  }

  /** @returns what the row is: not seen before, seen before, the first after a restore, or one that must not be there */
  meet(row: Row): 'new' | 'same' | 'restored' | 'other' {
    if (!this.#ranges.some(({ first, last }) => first <= row.id && row.id <= last)) return 'new'
    const children = this.#children.get(row.prev) ?? new Map<string, boolean>()
    this.#children.set(row.prev, children)
    if (children.has(row.hash)) return 'same'
    const restored = row.action === RESTORED
    const siblings = [...children.values()]
    children.set(row.hash, restored)
    if (siblings.length === 0) return 'new'
    // Only one of them can be what was written first.
    return restored || siblings.every(Boolean) ? 'restored' : 'other'
  }
}
