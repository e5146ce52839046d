/** How much may run at once: in all, and of each key. What has no key is limited by the total only. */
export class Slots {
  readonly #total: number
  readonly #perKey: number
  readonly #used = new Map<string, number>()
  #usedInAll = 0

  constructor(total: number, perKey: number) {
    this.#total = total
    this.#perKey = perKey
  }

  get isAnyFree(): boolean {
    return this.#usedInAll < this.#total
  }

  isFree(key: string): boolean {
    return this.isAnyFree && (key === '' || (this.#used.get(key) ?? 0) < this.#perKey)
  }

  occupy(key: string): void {
    this.#usedInAll += 1
    this.#used.set(key, (this.#used.get(key) ?? 0) + 1)
  }

  free(key: string): void {
    this.#usedInAll -= 1
    const left = (this.#used.get(key) ?? 1) - 1
    if (left > 0) this.#used.set(key, left)
    else this.#used.delete(key)
  }
}
