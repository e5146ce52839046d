import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 2

/** Whether a delivery waits for its answer. What may as well happen a moment later makes room for it. */
export class Rush {
  #inHand = 0

  /** @returns what `work` returns; while it runs, one more delivery is in hand. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#inHand += 1
    try {
      return await work()
    } finally {
      this.#inHand -= 1
    }
  }

  /** Resolves when no delivery is in hand, or after `mostMs` in any case. */
  async over(mostMs: number): Promise<void> {
    const until = performance.now() + mostMs
    while (this.#inHand > 0 && performance.now() < until) await delay(LOOK_EVERY_MS)
  }
}
