import { setImmediate as nextTurn } from 'node:timers/promises'

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/**
 * Lets statements that come at the same time become one: what arrives while a group is under way makes up the next, so groups
 * grow with the load and nobody waits for company. A group that fails, fails for each of it.
 *
 * @param work Returns a result for each item, in their order.
 */
export function gather<Item, Result>(
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
  largest: number,
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = []
  let isWorking = false

  async function settle(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await work(group.map(({ item }) => item))
      for (const [n, { resolve }] of group.entries()) resolve(results[n] as Result)
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  async function drain(): Promise<void> {
    // Callers of the same moment get into the first group.
    await nextTurn()
    while (waiting.length > 0) await settle(waiting.splice(0, largest))
    isWorking = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (isWorking) return
      isWorking = true
      void drain()
    })
}
