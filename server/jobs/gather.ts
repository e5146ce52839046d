import { setImmediate as nextTurn } from 'node:timers/promises'

interface Waiting<Item> {
  readonly item: Item
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Lets work that comes at the same time share its cost: what arrives while a group is being done makes up the next one, so the
 * groups grow with the load. When a group fails, each of it is tried alone, so that a bad one spoils nothing but itself.
 *
 * @param work Does the whole group or nothing of it, or can be repeated without harm.
 * @returns a function that resolves, or rejects, as the work on its item does.
 */
export function gather<Item>(
  work: (items: readonly Item[]) => Promise<void>,
  largest: number,
): (item: Item) => Promise<void> {
  const waiting: Waiting<Item>[] = []
  let isWorking = false

  async function settle(group: readonly Waiting<Item>[]): Promise<void> {
    try {
      await work(group.map(({ item }) => item))
      for (const { resolve } of group) resolve()
    } catch (error) {
      const [only, ...others] = group
      if (others.length === 0) only?.reject(error)
      else for (const one of group) await settle([one])
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
