import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dateOf, setName } from '../../../scripts/backup/layout.ts'
import { expired } from '../../../scripts/backup/retention.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.UTC(2026, 0, 1)

/** One host: makes a set at each of these moments, and prunes after each. */
function live(moments: readonly number[]): { left: string[]; all: string[] } {
  let left: string[] = []
  const all: string[] = []
  for (const moment of moments) {
    const name = setName(new Date(moment))
    // A set of this name is never replaced: the run fails, and nothing changes.
    if (left.includes(name)) continue
    all.push(name)
    left.push(name)
    const gone = new Set(expired(left, name))
    left = left.filter((other) => !gone.has(other))
  }
  return { left: left.sort(), all: [...new Set(all)].sort() }
}

/** What the rule says, in the plainest words: looking at every set there ever was. */
function promised(all: readonly string[]): Set<string> {
  const days = [...new Set(all.map((name) => name.slice(0, 8)))].slice(-30)
  const months = [...new Set(all.map((name) => name.slice(0, 6)))].slice(-12)
  return new Set([
    ...all.slice(-3),
    ...days.map((day) => all.findLast((name) => name.startsWith(day)) ?? ''),
    ...months.map((month) => all.find((name) => name.startsWith(month)) ?? ''),
  ])
}

const everySixHours = Array.from({ length: 400 * 4 }, (_, n) => START + n * 6 * HOUR + (n % 7) * 60_000)

describe('which sets may go', () => {
  it('after 400 days of four a day, 30 days and 12 months are left, and the newest three', () => {
    const { left } = live(everySixHours)
    const days = new Set(left.map((name) => name.slice(0, 8)))
    const months = new Set(left.map((name) => name.slice(0, 6)))
    // Two of the newest three are not the last of their day.
    expect(left).toHaveLength(30 + 12 + 2)
    expect(months.size).toBe(12)
    // One of the months begins within the thirty days.
    expect(days.size).toBe(30 + 12 - 1)
    expect(left.slice(-3)).toEqual(everySixHours.slice(-3).map((moment) => setName(new Date(moment))))
    // The first of a month, not the last: 1 February, not 28.
    expect(left.find((name) => name.startsWith('202606'))).toMatch(/^20260601T00/)
  })

  it('counts successes: after a pause of months the same number is left', () => {
    const paused = everySixHours.filter((moment) => moment < START + 200 * DAY || moment > START + 320 * DAY)
    const { left, all } = live(paused)
    expect(left).toEqual([...promised(all)].sort())
    expect(new Set(left.map((name) => name.slice(0, 8))).size).toBeGreaterThanOrEqual(30)
  })

  it('a pause alone deletes nothing', () => {
    const names = everySixHours.slice(0, 40).map((moment) => setName(new Date(moment)))
    const before = live(everySixHours.slice(0, 40)).left
    const later = setName(new Date(START + 300 * DAY))
    const gone = expired([...before, later], later)
    // Only what the new one pushes out of the newest three, within its own day.
    expect(gone.every((name) => before.slice(-3).includes(name))).toBe(true)
    expect(expired(names, 'no set of this name')).toEqual([])
  })

  it.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia'])(
    'is the same on a host in %s, over both changes of the clock',
    (zone) => {
      const before = process.env.TZ
      try {
        process.env.TZ = zone
        expect(live(everySixHours).left).toEqual([...promised(live(everySixHours).all)].sort())
        expect(dateOf(setName(new Date(START))).getTime()).toBe(START)
      } finally {
        if (before === undefined) delete process.env.TZ
        else process.env.TZ = before
      }
    },
  )

  it('never keeps less by pruning along the way than the rule promises over everything (gaps, any rhythm)', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 5 * DAY }), { minLength: 1, maxLength: 250 })
    fc.assert(
      fc.property(gaps, (steps) => {
        let now = START
        const moments = steps.map((step) => (now += step))
        const { left, all } = live(moments)
        expect(left).toEqual([...promised(all)].sort())
      }),
    )
  })

  it('whatever the clock does, keeps the new set, the newest three, and the last of each of 30 days', () => {
    const moment = fc.integer({ min: START, max: START + 400 * DAY })
    fc.assert(
      fc.property(fc.array(moment, { minLength: 1, maxLength: 200 }), fc.nat(), (moments, pick) => {
        const names = [...new Set(moments.map((at) => setName(new Date(at))))]
        const made = names[pick % names.length] ?? ''
        const gone = expired(names, made)
        expect(gone).not.toContain(made)
        for (const name of promised([...names].sort())) expect(gone).not.toContain(name)
        expect(gone).toEqual([...gone].sort())
        // Nothing is kept without a reason either.
        expect(names.length - gone.length).toBeLessThanOrEqual(promised([...names].sort()).size + 1)
      }),
    )
  })

  it('a clock that jumped ahead and back loses no day that was there', () => {
    const steady = everySixHours.slice(0, 160)
    const ahead = START + 2000 * DAY
    const { left } = live([...steady, ahead, ...everySixHours.slice(160, 200)])
    expect(left).toContain(setName(new Date(ahead)))
    const days = new Set(left.map((name) => name.slice(0, 8)))
    for (let day = 200 / 4 - 28; day < 200 / 4; day += 1)
      expect(days).toContain(setName(new Date(START + day * DAY)).slice(0, 8))
  })

  it('leaves what is no set alone', () => {
    const names = everySixHours.slice(0, 40).map((at) => setName(new Date(at)))
    const made = names[39] ?? ''
    expect(expired(names, made).length).toBeGreaterThan(0)
    expect(expired([...names, '.x.tmp', 'notes.txt', 'zzz'], made)).toEqual(expired(names, made))
  })
})
