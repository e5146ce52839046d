import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { emit } from '../../../server/jobs/emit.ts'
import { NonRetriable, RetryAfter } from '../../../server/jobs/job.ts'
import { startDoor } from '../door.ts'
import { type EmbeddedStage, prepareEmbedded, syncJob } from './embedded-stage.ts'

let stage: EmbeddedStage

beforeAll(async () => {
  stage = await prepareEmbedded()
})
afterEach(() => stage.clear())
afterAll(() => stage?.db.drop())

test('runs what is emitted, with its data, and marks it done', async () => {
  const seen: unknown[] = []
  stage.startProcess([syncJob(async (data, { attempt }) => void seen.push({ ...data, attempt }))])
  await stage.emitSync('1')
  await expect.poll(stage.states).toEqual(['done'])
  expect(seen).toEqual([{ wabaId: '1', attempt: 0 }])
  const [row] = await stage.db.sql`select done_at, leased_by, leased_until, attempts from outbox`
  expect(row).toMatchObject({ done_at: expect.any(Date), leased_by: null, leased_until: null, attempts: 0 })
})

test('is woken by the insert, not by its poll', async () => {
  const seen: string[] = []
  stage.startProcess([syncJob(async ({ wabaId }) => void seen.push(wabaId))], { pollMs: 600_000 })
  await stage.emitSync('warm')
  await expect.poll(() => seen).toEqual(['warm'])
  for (let i = 0; i < 5; i++) {
    await stage.emitSync(String(i))
    await expect.poll(() => seen.at(-1), { interval: 5 }).toBe(String(i))
  }
})

test('an event that is not due waits', async () => {
  const seen: string[] = []
  stage.startProcess([syncJob(async ({ wabaId }) => void seen.push(wabaId))])
  const runAfter = new Date(Date.now() + 700)
  await emit(stage.db.sql, 'wa/templates.sync.requested', { wabaId: 'later' }, { runAfter })
  await stage.emitSync('now')
  await expect.poll(() => seen.length).toBe(2)
  expect(seen).toEqual(['now', 'later'])
  expect(Date.now()).toBeGreaterThanOrEqual(runAfter.getTime())
})

test('a failure is tried again, the last one is dead with a reason that quotes no row', async () => {
  const attempts: [number, boolean][] = []
  const { logs } = stage.startProcess([
    syncJob(async (_, { attempt, isLastAttempt }) => {
      attempts.push([attempt, isLastAttempt])
      throw Object.assign(new Error('value "+15550001111" is wrong'), { severity: 'ERROR', code: '22P02' })
    }),
  ])
  await stage.emitSync('1')
  await expect.poll(stage.states).toEqual(['dead'])
  expect(attempts).toEqual([
    [0, false],
    [1, false],
    [2, true],
  ])
  const [row] = await stage.db.sql`select attempts, last_error from outbox`
  expect(row).toEqual({ attempts: 3, last_error: 'PostgresError 22P02' })
  expect(logs.filter(({ msg }) => msg === 'job_failed')).toHaveLength(2)
  expect(JSON.stringify(logs)).not.toContain('15550001111')
})

test('NonRetriable ends it at once', async () => {
  stage.startProcess([syncJob(() => Promise.reject(new NonRetriable('no such account')))])
  await stage.emitSync('1')
  await expect.poll(stage.states).toEqual(['dead'])
  const [row] = await stage.db.sql`select attempts, last_error from outbox`
  expect(row).toEqual({ attempts: 1, last_error: 'NonRetriable: no such account' })
})

test('RetryAfter sets the time of the next try', async () => {
  stage.startProcess([syncJob(() => Promise.reject(new RetryAfter('slow down', 120)))])
  await stage.emitSync('1')
  const waiting = async () => {
    const [row] = await stage.db.sql<{ s: number }[]>`
      select extract(epoch from run_after - now())::float8 as s from outbox where attempts = 1`
    return row?.s ?? 0
  }
  await expect.poll(waiting).toBeGreaterThan(110)
  expect(await stage.states()).toEqual(['ready'])
})

test('data that does not match its schema is dead, not run', async () => {
  let runs = 0
  stage.startProcess([syncJob(async () => void runs++)])
  await stage.db.sql`insert into outbox (name, data) values ('wa/templates.sync.requested', '{"wabaId": 7}')`
  await expect.poll(stage.states).toEqual(['dead'])
  expect(runs).toBe(0)
})

test('stop takes nothing new, waits for what runs and gives the rest back', async () => {
  let release = () => {}
  const blocked = new Promise<void>((resolve) => {
    release = resolve
  })
  let started = 0
  const { runner } = stage.startProcess([
    syncJob(async () => {
      started += 1
      await blocked
    }),
  ])
  await stage.fill(4, 4)
  await stage.db.sql`update outbox set concurrency_key = 'one'`
  await expect.poll(() => started).toBeGreaterThan(0)
  // By now the poll has asked for more.
  await delay(150)
  const before = started
  const stopped = runner.stop(5_000)
  release()
  await stopped
  await delay(100)
  expect(started).toBe(before)
  const rows = await stage.db.sql`select state, leased_until from outbox order by id`
  expect(rows.filter(({ state }) => state === 'done')).toHaveLength(before)
  for (const row of rows) expect(row.leased_until).toBeNull()
})

test('stop does not wait beyond its deadline', async () => {
  let release = () => {}
  const blocked = new Promise<void>((resolve) => {
    release = resolve
  })
  const { runner } = stage.startProcess([syncJob(() => blocked)])
  await stage.emitSync('1')
  await expect
    .poll(async () => (await stage.db.sql`select from outbox where leased_until is not null`).length)
    .toBe(1)
  await runner.stop(50)
  expect(await stage.states()).toEqual(['ready'])
  release()
})

test('the database goes away in the middle: one line, and everything is done when it is back', async () => {
  const door = await startDoor(stage.db.url)
  stage.closers.push(() => door.shut())
  const seen: string[] = []
  const { logs } = stage.startProcess(
    [
      syncJob(async ({ wabaId }) => {
        seen.push(wabaId)
        if (wabaId === '1') await door.shut()
      }),
    ],
    { url: door.url },
  )
  await stage.emitSync('1')
  await expect.poll(() => seen).toEqual(['1'])
  await stage.emitSync('2')
  await expect.poll(() => logs.filter(({ msg }) => msg === 'outbox_unreachable')).toHaveLength(1)
  await delay(300)
  expect(await stage.states()).toEqual(['ready', 'ready'])
  await door.open()
  await expect.poll(stage.states, { timeout: 10_000 }).toEqual(['done', 'done'])
  expect(seen).toEqual(['1', '2'])
  expect(logs.filter(({ msg }) => msg === 'outbox_unreachable')).toHaveLength(1)
  expect(logs.filter(({ msg }) => msg === 'outbox_back')).toHaveLength(1)
})

test('a refused event is no event: the data is checked when it is emitted', async () => {
  await expect(emit(stage.db.sql, 'wa/message.send.requested', { messageId: 'not a uuid' })).rejects.toThrow()
  expect(await stage.states()).toEqual([])
})
