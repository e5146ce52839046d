import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { MinuteWindow } from '../../../server/auth/minute-window.ts'

const NOON = Date.UTC(2026, 5, 1, 12)

test('D4.5 the 61st request in a minute at 60 is refused until the first leaves the window', () => {
  const window = new MinuteWindow()
  for (let n = 0; n < 60; n += 1) expect(window.take(60, NOON + n * 500)).toBe(0)
  expect(window.take(60, NOON + 30_000)).toBe(30)
  expect(window.take(60, NOON + 59_999)).toBe(1)
  expect(window.take(60, NOON + 60_000)).toBe(0)
})

test('a refused request does not count', () => {
  const window = new MinuteWindow()
  expect(window.take(1, NOON)).toBe(0)
  for (let n = 1; n < 60; n += 1) expect(window.take(1, NOON + n * 1_000)).toBe(60 - n)
  expect(window.take(1, NOON + 60_000)).toBe(0)
})

test('what other processes counted counts, and ours is not counted twice', () => {
  const window = new MinuteWindow()
  const second = NOON / 1_000
  window.take(10, NOON)
  window.take(10, NOON)
  expect(window.tell()).toEqual([[second, 2]])
  window.take(10, NOON)
  // Ours and six of another process; the one since is still to be told.
  window.told([[second, 8]])
  expect(window.take(10, NOON)).toBe(0)
  expect(window.take(10, NOON)).toBe(60)
  expect(window.tell()).toEqual([[second, 2]])
  window.untold()
  expect(window.tell()).toEqual([[second, 2]])
  window.told([[second, 10]])
  expect(window.tell()).toEqual([])
})

test('waiting as long as it says always helps, and never more than the limit pass in 59 seconds', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 200 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), steps, (limit, gaps) => {
      const window = new MinuteWindow()
      const passed: number[] = []
      let now = NOON
      for (const gap of gaps) {
        now += gap
        const retryAfterS = window.take(limit, now)
        if (retryAfterS > 0) {
          expect(retryAfterS).toBeLessThanOrEqual(60)
          now += retryAfterS * 1_000
          expect(window.take(limit, now)).toBe(0)
        }
        passed.push(now)
        expect(passed.filter((at) => at > now - 59_000).length).toBeLessThanOrEqual(limit)
      }
      expect(window.isIdle(now)).toBe(passed.length === 0)
      expect(window.isIdle(now + 61_000)).toBe(true)
    }),
  )
})
