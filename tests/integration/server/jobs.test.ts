import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Listener } from '../../../server/db/listener.ts'
import { connect, type Database, type Queryable } from '../../../server/db/pool.ts'
import { type EmbeddedOptions, startEmbeddedRunner } from '../../../server/jobs/embedded.ts'
import { emit } from '../../../server/jobs/emit.ts'
import { type Job, NonRetriable, RetryAfter } from '../../../server/jobs/job.ts'
import type { Runner } from '../../../server/jobs/runner.ts'
import { createLogger } from '../../../server/log.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { startDoor } from '../door.ts'

let db: TestDatabase
const closers: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await db.sql`truncate outbox`
})
afterAll(() => db.drop())

/** What a process has: its own pool, its own listener, its own runner. */
function startProcess(
  jobs: readonly Job[],
  options: Partial<EmbeddedOptions> & { url?: URL } = {},
): { runner: Runner; sql: Database; logs: Record<string, unknown>[] } {
  const database = { url: options.url ?? db.url, role: 'wa_app', password: PASSWORDS.app } as const
  const sql = connect({ ...database, max: 4 })
  const listener = new Listener(database)
  const logs: Record<string, unknown>[] = []
  const log = createLogger('debug', { write: (line) => void logs.push(JSON.parse(line)) })
  const runner = startEmbeddedRunner({
    sql,
    listener,
    jobs,
    crons: [],
    log,
    delaysMs: [1],
    pollMs: 50,
    ...options,
  })
  closers.push(async () => {
    await runner.stop(2_000)
    await Promise.all([listener.close(), sql.end({ timeout: 1 })])
  })
  return { runner, sql, logs }
}

type SyncJob = Job<'wa/templates.sync.requested'>
const syncJob = (run: SyncJob['run'], o: Partial<SyncJob> = {}): Job => ({
  id: 'test-sync',
  event: 'wa/templates.sync.requested',
  retries: 2,
  concurrency: 1,
  ...o,
  run,
})
const emitSync = (wabaId: string, key = '') =>
  emit(db.sql, 'wa/templates.sync.requested', { wabaId }, { key })
const states = async () =>
  (await db.sql<{ state: string }[]>`select state from outbox order by id`).map(({ state }) => state)
const fill = (count: number, keys = 1) =>
  db.sql`insert into outbox (name, data, concurrency_key)
    select 'wa/templates.sync.requested', jsonb_build_object('wabaId', i::text), case when ${keys} > 1 then 'k' || i % ${keys} else '' end
    from generate_series(1, ${count}) i`

describe('the embedded runner', () => {
  test('runs what is emitted, with its data, and marks it done', async () => {
    const seen: unknown[] = []
    startProcess([syncJob(async (data, { attempt }) => void seen.push({ ...data, attempt }))])
    await emitSync('1')
    await expect.poll(states).toEqual(['done'])
    expect(seen).toEqual([{ wabaId: '1', attempt: 0 }])
    const [row] = await db.sql`select done_at, leased_by, leased_until, attempts from outbox`
    expect(row).toMatchObject({ done_at: expect.any(Date), leased_by: null, leased_until: null, attempts: 0 })
  })

  test('is woken by the insert, not by its poll', async () => {
    const seen: string[] = []
    startProcess([syncJob(async ({ wabaId }) => void seen.push(wabaId))], { pollMs: 600_000 })
    await emitSync('warm')
    await expect.poll(() => seen).toEqual(['warm'])
    for (let i = 0; i < 5; i++) {
      await emitSync(String(i))
      await expect.poll(() => seen.at(-1), { interval: 5 }).toBe(String(i))
    }
  })

  test('an event that is not due waits', async () => {
    const seen: string[] = []
    startProcess([syncJob(async ({ wabaId }) => void seen.push(wabaId))])
    const runAfter = new Date(Date.now() + 700)
    await emit(db.sql, 'wa/templates.sync.requested', { wabaId: 'later' }, { runAfter })
    await emitSync('now')
    await expect.poll(() => seen.length).toBe(2)
    expect(seen).toEqual(['now', 'later'])
    expect(Date.now()).toBeGreaterThanOrEqual(runAfter.getTime())
  })

  test('a failure is tried again, the last one is dead with a reason that quotes no row', async () => {
    const attempts: [number, boolean][] = []
    const { logs } = startProcess([
      syncJob(async (_, { attempt, isLastAttempt }) => {
        attempts.push([attempt, isLastAttempt])
        throw Object.assign(new Error('value "+15550001111" is wrong'), { severity: 'ERROR', code: '22P02' })
      }),
    ])
    await emitSync('1')
    await expect.poll(states).toEqual(['dead'])
    expect(attempts).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ])
    const [row] = await db.sql`select attempts, last_error from outbox`
    expect(row).toEqual({ attempts: 3, last_error: 'PostgresError 22P02' })
    expect(logs.filter(({ msg }) => msg === 'job_failed')).toHaveLength(2)
    expect(JSON.stringify(logs)).not.toContain('15550001111')
  })

  test('NonRetriable ends it at once', async () => {
    startProcess([syncJob(() => Promise.reject(new NonRetriable('no such account')))])
    await emitSync('1')
    await expect.poll(states).toEqual(['dead'])
    const [row] = await db.sql`select attempts, last_error from outbox`
    expect(row).toEqual({ attempts: 1, last_error: 'NonRetriable: no such account' })
  })

  test('RetryAfter sets the time of the next try', async () => {
    startProcess([syncJob(() => Promise.reject(new RetryAfter('slow down', 120)))])
    await emitSync('1')
    const waiting = async () => {
      const [row] = await db.sql<{ s: number }[]>`
        select extract(epoch from run_after - now())::float8 as s from outbox where attempts = 1`
      return row?.s ?? 0
    }
    await expect.poll(waiting).toBeGreaterThan(110)
    expect(await states()).toEqual(['ready'])
  })

  test('data that does not match its schema is dead, not run', async () => {
    let runs = 0
    startProcess([syncJob(async () => void runs++)])
    await db.sql`insert into outbox (name, data) values ('wa/templates.sync.requested', '{"wabaId": 7}')`
    await expect.poll(states).toEqual(['dead'])
    expect(runs).toBe(0)
  })

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
    startProcess([job])
    startProcess([job])
    // More than one process takes at once, so that the other has a chance.
    await fill(900, 3)
    await expect.poll(() => runs.length).toBe(900)
    expect(new Set(runs).size).toBe(900)
    expect(most).toBe(2)
    expect(atOnce).toBeGreaterThan(2)
  })

  test('of two processes that look at the same moment one gets the key, the other waits and gets none of it', async () => {
    await fill(300, 2)
    const lease = (sql: Queryable) => sql<{ key: string }[]>`
      select concurrency_key as key from lease_outbox('wa/templates.sync.requested', gen_random_uuid(), 60, 100, '["k1"]')`
    let second: Promise<{ key: string }[]> = Promise.resolve([])
    await db.sql.begin(async (tx) => {
      expect((await lease(tx)).map(({ key }) => key)).toEqual(Array(100).fill('k0'))
      second = lease(db.sql).then((rows) => rows)
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
    startProcess([
      syncJob(async ({ wabaId }) => {
        if (wabaId !== 'other') await blocked
        seen.push(wabaId)
      }),
    ])
    await db.sql`insert into outbox (name, data, concurrency_key)
      select 'wa/templates.sync.requested', '{"wabaId":"first"}', 'a' from generate_series(1, 500)`
    await emitSync('other', 'b')
    await expect.poll(() => seen).toEqual(['other'])
    release()
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(501)
  })

  test('several processes share the rows and run each once', async () => {
    const seen: string[][] = [[], []]
    const processes = seen.map((mine) =>
      startProcess([
        syncJob(async ({ wabaId }) => {
          mine.push(wabaId)
          await delay(1)
        }),
      ]),
    )
    expect(processes).toHaveLength(2)
    await fill(2_000)
    await expect.poll(() => seen.flat().length, { timeout: 15_000 }).toBe(2_000)
    expect(new Set(seen.flat()).size).toBe(2_000)
    for (const mine of seen) expect(mine.length).toBeGreaterThan(100)
    await expect.poll(async () => new Set(await states())).toEqual(new Set(['done']))
  })

  test('a lease is renewed while the job runs, however long that takes', async () => {
    let runs = 0
    const job = syncJob(async () => {
      runs += 1
      await delay(2_500)
    })
    startProcess([job], { leaseSeconds: 1 })
    startProcess([job], { leaseSeconds: 1 })
    await emitSync('1', 'k')
    await expect.poll(states, { timeout: 5_000 }).toEqual(['done'])
    expect(runs).toBe(1)
  })

  test('stop takes nothing new, waits for what runs and gives the rest back', async () => {
    let release = () => {}
    const blocked = new Promise<void>((resolve) => {
      release = resolve
    })
    let started = 0
    const { runner } = startProcess([
      syncJob(async () => {
        started += 1
        await blocked
      }),
    ])
    await fill(4, 4)
    await db.sql`update outbox set concurrency_key = 'one'`
    await expect.poll(() => started).toBeGreaterThan(0)
    // By now the poll has asked for more.
    await delay(150)
    const before = started
    const stopped = runner.stop(5_000)
    release()
    await stopped
    await delay(100)
    expect(started).toBe(before)
    const rows = await db.sql`select state, leased_until from outbox order by id`
    expect(rows.filter(({ state }) => state === 'done')).toHaveLength(before)
    for (const row of rows) expect(row.leased_until).toBeNull()
  })

  test('stop does not wait beyond its deadline', async () => {
    let release = () => {}
    const blocked = new Promise<void>((resolve) => {
      release = resolve
    })
    const { runner } = startProcess([syncJob(() => blocked)])
    await emitSync('1')
    await expect
      .poll(async () => (await db.sql`select from outbox where leased_until is not null`).length)
      .toBe(1)
    await runner.stop(50)
    expect(await states()).toEqual(['ready'])
    release()
  })

  test('the database goes away in the middle: one line, and everything is done when it is back', async () => {
    const door = await startDoor(db.url)
    closers.push(() => door.shut())
    const seen: string[] = []
    const { logs } = startProcess(
      [
        syncJob(async ({ wabaId }) => {
          seen.push(wabaId)
          if (wabaId === '1') await door.shut()
        }),
      ],
      { url: door.url },
    )
    await emitSync('1')
    await expect.poll(() => seen).toEqual(['1'])
    await emitSync('2')
    await expect.poll(() => logs.filter(({ msg }) => msg === 'outbox_unreachable')).toHaveLength(1)
    await delay(300)
    expect(await states()).toEqual(['ready', 'ready'])
    await door.open()
    await expect.poll(states, { timeout: 10_000 }).toEqual(['done', 'done'])
    expect(seen).toEqual(['1', '2'])
    expect(logs.filter(({ msg }) => msg === 'outbox_unreachable')).toHaveLength(1)
    expect(logs.filter(({ msg }) => msg === 'outbox_back')).toHaveLength(1)
  })

  test('a refused event is no event: the data is checked when it is emitted', async () => {
    await expect(emit(db.sql, 'wa/message.send.requested', { messageId: 'not a uuid' })).rejects.toThrow()
    expect(await states()).toEqual([])
  })
})
