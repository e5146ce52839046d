const WINDOW_S = 60

interface Cell {
  /** Requests in this second, by every process, as the database last told; ours are in it once they were sent there. */
  shared: number
  /** Ours that the database has not been told. */
  pending: number
  /** Ours that are on their way there. */
  sending: number
}

/** Requests of one key over the last minute, second by second. */
export class MinuteWindow {
  readonly #cells = new Map<number, Cell>()

  /** Counts a request if it is within the limit. @returns 0, or the seconds after which one more would be. */
  take(limit: number, nowMs: number): number {
    const second = Math.floor(nowMs / 1_000)
    this.#forgetBefore(second)
    let over = this.#sum() - limit + 1
    if (over <= 0) {
      this.#cell(second).pending += 1
      return 0
    }
    for (const [at, cell] of [...this.#cells].sort(([a], [b]) => a - b)) {
      over -= cell.shared + cell.pending + cell.sending
      if (over <= 0) return Math.max(1, Math.ceil(at + WINDOW_S - nowMs / 1_000))
    }
    // Only a limit below one gets here.
    return WINDOW_S
  }

  /** Whether there is anything to remember. */
  isIdle(nowMs: number): boolean {
    this.#forgetBefore(Math.floor(nowMs / 1_000))
    return this.#cells.size === 0
  }

  /** What the database has to be told: seconds since 1970 and counts. {@link told} or {@link untold} must follow. */
  tell(): [second: number, count: number][] {
    const news: [number, number][] = []
    for (const [second, cell] of this.#cells) {
      if (cell.pending === 0) continue
      news.push([second, cell.pending])
      cell.sending = cell.pending
      cell.pending = 0
    }
    return news
  }

  /** The database has what was sent, and this is what it holds altogether. */
  told(totals: Iterable<readonly [second: number, count: number]>): void {
    for (const cell of this.#cells.values()) cell.sending = 0
    for (const [second, count] of totals) this.#cell(second).shared = count
  }

  /** The database could not be told; it will be the next time. */
  untold(): void {
    for (const cell of this.#cells.values()) {
      cell.pending += cell.sending
      cell.sending = 0
    }
  }

  #sum(): number {
    let sum = 0
    for (const { shared, pending, sending } of this.#cells.values()) sum += shared + pending + sending
    return sum
  }

  #cell(second: number): Cell {
    const known = this.#cells.get(second)
    if (known) return known
    const cell = { shared: 0, pending: 0, sending: 0 }
    this.#cells.set(second, cell)
    return cell
  }

  #forgetBefore(second: number): void {
    for (const at of this.#cells.keys()) if (at <= second - WINDOW_S) this.#cells.delete(at)
  }
}
