import { setTimeout as delay } from 'node:timers/promises'

/** Deliveries in hand from which on Meta comes first. */
const MANY = 1
const LOOK_EVERY_MS = 2

/** Whether more deliveries wait for their answer than usual. What may as well happen a moment later makes room for them. */
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

  /** Resolves when the rush is over, or after `mostMs` in any case. */
  async over(mostMs: number): Promise<void> {
    const until = performance.now() + mostMs
    while (this.#inHand >= MANY && performance.now() < until) await delay(LOOK_EVERY_MS)
  }
}
