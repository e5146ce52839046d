import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Queryable } from '../../../server/db/pool.ts'
import { type EmbeddedStage, prepareEmbedded, syncJob } from './embedded-stage.ts'

let stage: EmbeddedStage

beforeAll(async () => {
  stage = await prepareEmbedded()
})
afterEach(() => stage.clear())
afterAll(() => stage?.db.drop())

test('one key never runs more than the job allows, in all processes together, and keys do not wait for each other', async () => {
  const now = new Map<string, number>()
  let most = 0
  let atOnce = 0
  let total = 0
  const runs: number[] = []
  const job = syncJob(
    async ({ wabaId }) => {
      const key = String(Number(wabaId) % 3)
      now.set(key, (now.get(key) ?? 0) + 1)
      most = Math.max(most, now.get(key) ?? 0)
      total += 1
      atOnce = Math.max(atOnce, total)
      await delay(2)
      now.set(key, (now.get(key) ?? 0) - 1)
      total -= 1
      runs.push(Number(wabaId))
    },
    { concurrency: 2 },
  )
  stage.startProcess([job])
  stage.startProcess([job])
  // More than one process takes at once, so that the other has a chance.
  await stage.fill(900, 3)
  await expect.poll(() => runs.length).toBe(900)
  expect(new Set(runs).size).toBe(900)
  expect(most).toBe(2)
  expect(atOnce).toBeGreaterThan(2)
})

test('of two processes that look at the same moment one gets the key, the other waits and gets none of it', async () => {
  await stage.fill(300, 2)
  const lease = (sql: Queryable) => sql<{ key: string }[]>`
    select concurrency_key as key from lease_outbox('wa/templates.sync.requested', gen_random_uuid(), 60, 100, '["k1"]')`
  let second: Promise<{ key: string }[]> = Promise.resolve([])
  await stage.db.sql.begin(async (tx) => {
    expect((await lease(tx)).map(({ key }) => key)).toEqual(Array(100).fill('k0'))
    second = lease(stage.db.sql).then((rows) => rows)
    await delay(50)
  })
  expect(await second).toEqual([])
})

test('a long queue of one key does not hide another key', async () => {
  const seen: string[] = []
  let release = () => {}
  const blocked = new Promise<void>((resolve) => {
    release = resolve
  })
  stage.startProcess([
    syncJob(async ({ wabaId }) => {
      if (wabaId !== 'other') await blocked
      seen.push(wabaId)
    }),
  ])
  await stage.db.sql`insert into outbox (name, data, concurrency_key)
    select 'wa/templates.sync.requested', '{"wabaId":"first"}', 'a' from generate_series(1, 500)`
  await stage.emitSync('other', 'b')
  await expect.poll(() => seen).toEqual(['other'])
  release()
  await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(501)
})

test('several processes share the rows and run each once', async () => {
  const seen: string[][] = [[], []]
  const processes = seen.map((mine) =>
    stage.startProcess([
      syncJob(async ({ wabaId }) => {
        mine.push(wabaId)
        await delay(1)
      }),
    ]),
  )
  expect(processes).toHaveLength(2)
  await stage.fill(2_000)
  await expect.poll(() => seen.flat().length, { timeout: 15_000 }).toBe(2_000)
  expect(new Set(seen.flat()).size).toBe(2_000)
  for (const mine of seen) expect(mine.length).toBeGreaterThan(100)
  await expect.poll(async () => new Set(await stage.states())).toEqual(new Set(['done']))
})

test('a lease is renewed while the job runs, however long that takes', async () => {
  let runs = 0
  const job = syncJob(async () => {
    runs += 1
    await delay(2_500)
  })
  stage.startProcess([job], { leaseSeconds: 1 })
  stage.startProcess([job], { leaseSeconds: 1 })
  await stage.emitSync('1', 'k')
  await expect.poll(stage.states, { timeout: 5_000 }).toEqual(['done'])
  expect(runs).toBe(1)
})
