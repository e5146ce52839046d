import { expect, test } from 'vitest'
import { gather } from '../../../server/db/gather.ts'

/** Work that notes its groups, doubles its items, and fails for whoever is in `bad`. */
function worker(bad: ReadonlySet<number> = new Set()) {
  const groups: (readonly number[])[] = []
  const work = async (items: readonly number[]) => {
    groups.push(items)
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (items.some((item) => bad.has(item))) throw new Error('bad')
    return items.map((item) => item * 2)
  }
  return { groups, work }
}

test('what comes in the same moment is done together, what comes meanwhile next', async () => {
  const { groups, work } = worker()
  const add = gather(work, 10)
  const first = [add(1), add(2)]
  await new Promise(setImmediate)
  const second = [add(3), add(4), add(5)]
  expect(await Promise.all([...first, ...second])).toEqual([2, 4, 6, 8, 10])
  expect(groups).toEqual([
    [1, 2],
    [3, 4, 5],
  ])
})

test('no group is larger than allowed', async () => {
  const { groups, work } = worker()
  const add = gather(work, 2)
  await Promise.all([1, 2, 3, 4, 5].map(add))
  expect(groups).toEqual([[1, 2], [3, 4], [5]])
})

test('a group that fails, fails for each of it, and the next is done as before', async () => {
  const { groups, work } = worker(new Set([2]))
  const add = gather(work, 10)
  const ended = await Promise.allSettled([1, 2, 3].map(add))
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(await add(4)).toBe(8)
  expect(groups).toEqual([[1, 2, 3], [4]])
})
