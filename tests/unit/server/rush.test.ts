import { expect, test } from 'vitest'
import { Rush } from '../../../server/http/rush.ts'

async function waited(rush: Rush, mostMs: number): Promise<boolean> {
  const first = await Promise.race([rush.over(mostMs).then(() => 'over'), new Promise(setImmediate)])
  return first !== 'over'
}

test('whoever makes room waits until every delivery in hand is answered', async () => {
  const rush = new Rush()
  const answers: (() => void)[] = []
  const take = () => rush.during(() => new Promise<void>((resolve) => answers.push(resolve)))
  expect(await waited(rush, 60_000)).toBe(false)

  const taken = [take(), take()]
  const over = rush.over(60_000)
  answers.pop()?.()
  expect(await waited(rush, 10)).toBe(true)
  answers.pop()?.()
  await over
  await Promise.all(taken)
})

test('a rush that does not end holds nobody up for longer than they said', async () => {
  const rush = new Rush()
  for (let n = 0; n < 20; n += 1) void rush.during(() => new Promise<void>(() => {}))
  await rush.over(20)
})

test('a delivery that fails is no longer in hand', async () => {
  const rush = new Rush()
  const failures = Array.from({ length: 20 }, () => rush.during(() => Promise.reject(new Error('refused'))))
  await Promise.allSettled(failures)
  expect(await waited(rush, 60_000)).toBe(false)
})
