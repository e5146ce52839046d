const WINDOW_MS = 50

/** Lets the first of a burst through at once, then the latest of what follows, at most one per address and window. */
export class Coalescer<T> {
  readonly #deliver: (address: string, value: T) => void
  readonly #waiting = new Map<string, { timer: NodeJS.Timeout; latest?: { readonly value: T } }>()

  constructor(deliver: (address: string, value: T) => void) {
    this.#deliver = deliver
  }

  push(address: string, value: T): void {
    const waiting = this.#waiting.get(address)
    if (waiting) waiting.latest = { value }
    else this.#pass(address, value)
  }

  close(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
  }

  #pass(address: string, value: T): void {
    const timer = setTimeout(() => {
      const { latest } = this.#waiting.get(address) ?? {}
      this.#waiting.delete(address)
      if (latest) this.#pass(address, latest.value)
    }, WINDOW_MS)
    this.#waiting.set(address, { timer })
    this.#deliver(address, value)
  }
}
