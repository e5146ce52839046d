import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ahead, batches, eachOf } from '../../../scripts/offsite/batches.ts'

const pause = (ms = 2) => new Promise((wake) => setTimeout(wake, ms))

describe('batches', () => {
  test('lose nothing, keep the order, and stay below both limits', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200)), (sizes) => {
        const files = sizes.map((bytes, index) => ({ bytes, index }))
        const all = batches(files, { bytes: 100, files: 4 })
        expect(all.flat()).toEqual(files)
        for (const batch of all) {
          expect(batch.length).toBeGreaterThan(0)
          expect(batch.length).toBeLessThanOrEqual(4)
          const bytes = batch.reduce((sum, file) => sum + file.bytes, 0)
          if (batch.length > 1) expect(bytes).toBeLessThanOrEqual(100)
        }
      }),
    )
  })
})

describe('several at a time', () => {
  test('every item once, no more at once than allowed', async () => {
    let running = 0
    let most = 0
    const done: number[] = []
    await eachOf([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      running += 1
      most = Math.max(most, running)
      await pause()
      running -= 1
      done.push(item)
    })
    expect(done.sort()).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(most).toBe(3)
  })

  test('a failure is thrown once all have ended, and nothing further begins', async () => {
    const begun: number[] = []
    let running = 0
    const act = eachOf([1, 2, 3, 4, 5, 6], 2, async (item) => {
      begun.push(item)
      running += 1
      await pause(item === 1 ? 1 : 20)
      running -= 1
      if (item === 1) throw new Error('broken')
    })
    await expect(act).rejects.toThrow('broken')
    expect(begun).toEqual([1, 2])
    expect(running).toBe(0)
  })
})

describe('one ahead', () => {
  test('prepares the next while one is used, and no more', async () => {
    const events: string[] = []
    await ahead(
      ['a', 'b', 'c'],
      async (item) => {
        events.push(`prepare ${item}`)
        return item.toUpperCase()
      },
      async (_, prepared) => {
        events.push(`use ${prepared}`)
        await pause()
      },
    )
    expect(events).toEqual(['prepare a', 'prepare b', 'use A', 'prepare c', 'use B', 'use C'])
  })

  test('when use fails, what was in preparation has ended', async () => {
    let preparing = 0
    const act = ahead(
      [1, 2, 3],
      async (item) => {
        preparing += 1
        await pause(item === 2 ? 20 : 1)
        preparing -= 1
      },
      async () => {
        throw new Error('full')
      },
    )
    await expect(act).rejects.toThrow('full')
    expect(preparing).toBe(0)
  })

  test('a failed preparation is the failure', async () => {
    const used: number[] = []
    const act = ahead(
      [1, 2, 3],
      async (item) => {
        if (item === 2) throw new Error('no such file')
      },
      async (item) => {
        await pause()
        used.push(item)
      },
    )
    await expect(act).rejects.toThrow('no such file')
    expect(used).toEqual([1])
  })
})
