import { expect, test } from 'vitest'
import { gather } from '../../../server/jobs/gather.ts'

/** Work that notes its groups and fails for whoever is in `bad`. */
function worker(bad: ReadonlySet<number> = new Set()) {
  const groups: (readonly number[])[] = []
  const work = async (items: readonly number[]) => {
    groups.push(items)
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (items.some((item) => bad.has(item))) throw new Error('bad')
  }
  return { groups, work }
}

test('what comes in the same moment is done together, what comes meanwhile next', async () => {
  const { groups, work } = worker()
  const add = gather(work, 10)
  const first = [add(1), add(2)]
  await new Promise(setImmediate)
  const second = [add(3), add(4), add(5)]
  await Promise.all([...first, ...second])
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

test('a bad one fails alone, and the next ones are done as before', async () => {
  const { groups, work } = worker(new Set([2]))
  const add = gather(work, 10)
  const ended = await Promise.allSettled([1, 2, 3].map(add))
  expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  await add(4)
  expect(groups).toEqual([[1, 2, 3], [1], [2], [3], [4]])
})
