import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Listener } from '../../../server/db/listener.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import {
  discardOutbox,
  holdOutbox,
  listOutbox,
  outboxFigures,
  releaseOutbox,
  retryOutbox,
} from '../../../server/jobs/admin.ts'
import { startEmbeddedRunner } from '../../../server/jobs/embedded.ts'
import { emit } from '../../../server/jobs/emit.ts'
import { CRASHES_AT_MOST } from '../../../server/jobs/failure.ts'
import type { Job } from '../../../server/jobs/job.ts'
import { createLogger } from '../../../server/log.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { addClient, addContact, addNumber } from './fixtures.ts'

let db: TestDatabase
let sql: Database
const closers: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  sql = connect({ url: db.url, role: 'wa_app', password: PASSWORDS.app, max: 4 })
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await db.sql`truncate outbox`
})
afterAll(async () => {
  await sql.end({ timeout: 1 })
  await db.drop()
})

const emitSend = () =>
  emit(db.sql, 'wa/message.send.requested', { messageId: randomUUID() }, { key: 'number' })
const states = async () =>
  (await db.sql<{ state: string }[]>`select state from outbox order by id`).map(({ state }) => state)

function startRunner(run: Job<'wa/message.send.requested'>['run']): void {
  const listener = new Listener({ url: db.url, role: 'wa_app', password: PASSWORDS.app })
  const job: Job<'wa/message.send.requested'> = {
    id: 'send-message',
    event: 'wa/message.send.requested',
    retries: 1,
    concurrency: 2,
    run,
  }
  const log = createLogger('silent')
  const runner = startEmbeddedRunner({
    sql,
    listener,
    jobs: [job],
    crons: [],
    log,
    pollMs: 50,
    leaseSeconds: 1,
  })
  closers.push(async () => {
    await runner.stop(1_000)
    await listener.close()
  })
}

/** @returns once the process has begun a send. */
async function startWorker(): Promise<ChildProcess> {
  const worker = spawn(process.execPath, [join(import.meta.dirname, 'outbox-worker.ts')], {
    env: { DATABASE_URL: db.url.href, DATABASE_PASSWORD: PASSWORDS.app.reveal() },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closers.push(async () => worker.kill('SIGKILL'))
  await once(worker.stdout, 'data')
  return worker
}

describe('a process that is killed', () => {
  test('S3.2 sends are queued and survive: what it had begun and what it had not are both taken over', async () => {
    for (let i = 0; i < 5; i++) await emitSend()
    const worker = await startWorker()
    const seen: [string, number][] = []
    startRunner(async ({ messageId }, { attempt }) => void seen.push([messageId, attempt]))
    expect(seen).toEqual([])
    worker.kill('SIGKILL')
    await once(worker, 'exit')
    await expect.poll(states).toEqual(Array(5).fill('done'))
    expect(new Set(seen.map(([id]) => id)).size).toBe(5)
    expect(seen).toHaveLength(5)
    expect(seen.map(([, attempt]) => attempt)).toEqual(Array(5).fill(1))
  })

  test('S3.2 while it lives nobody else touches its rows', async () => {
    await emitSend()
    await startWorker()
    let runs = 0
    startRunner(async () => void runs++)
    await new Promise((resolve) => setTimeout(resolve, 1_800))
    expect(runs).toBe(0)
  })

  test('a row that takes every process down with it is dead in the end', async () => {
    await emitSend()
    let runs = 0
    await db.sql`update outbox set attempts = ${1 + CRASHES_AT_MOST}, leased_by = gen_random_uuid(), leased_until = now()`
    startRunner(async () => void runs++)
    await expect.poll(states).toEqual(['dead'])
    expect(runs).toBe(0)
    const [row] = await db.sql`select last_error from outbox`
    expect(row?.last_error).toBe('NonRetriable: the process ended whenever this ran')
  })
})

describe('the operator', () => {
  const add = async (state: string, more: { leased?: boolean; age?: number } = {}) => {
    const [row] = await db.sql<{ id: number }[]>`
      insert into outbox (name, data, state, attempts, last_error, run_after, leased_until)
      values ('wa/templates.sync.requested', '{"wabaId":"1"}', ${state}, 3, 'Error: no', now() - make_interval(secs => ${more.age ?? 0}),
        ${more.leased ? new Date(Date.now() + 60_000) : null}) returning id::float8 as id`
    return row?.id ?? 0
  }

  test('sees rows by state, newest first', async () => {
    const ids = [await add('dead'), await add('held'), await add('dead')]
    expect((await listOutbox(sql)).map(({ id }) => id)).toEqual(ids.toReversed())
    expect((await listOutbox(sql, { state: 'dead' })).map(({ id }) => id)).toEqual([ids[2], ids[0]])
    expect(await listOutbox(sql, { state: 'dead', limit: 1 })).toEqual([
      expect.objectContaining({ id: ids[2], attempts: 3, last_error: 'Error: no', data: { wabaId: '1' } }),
    ])
  })

  test('retries what is dead, held or waiting, with all its tries, but nothing that is done or running', async () => {
    for (const state of ['dead', 'held', 'ready'])
      expect(await retryOutbox(sql, await add(state, { age: -60 }))).toBe(true)
    const rows = await db.sql`select state, attempts, run_after <= now() as due from outbox`
    expect(rows).toEqual(Array(3).fill({ state: 'ready', attempts: 0, due: true }))
    expect(await retryOutbox(sql, await add('done'))).toBe(false)
    expect(await retryOutbox(sql, await add('ready', { leased: true }))).toBe(false)
    expect(await retryOutbox(sql, 999_999_999)).toBe(false)
  })

  test('discards what is not done and not running', async () => {
    expect(await discardOutbox(sql, await add('dead'))).toBe(true)
    expect(await discardOutbox(sql, await add('done'))).toBe(false)
    expect(await discardOutbox(sql, await add('ready', { leased: true }))).toBe(false)
    expect(await states()).toEqual(['done', 'ready'])
  })

  test('a message whose sending is discarded is rejected, unless it has begun', async () => {
    const client = await addClient(db.sql, 'discards')
    const number = await addNumber(db.sql, client)
    const contact = await addContact(db.sql, number)
    const discard = async (status: string) => {
      const [message] = await db.sql<{ id: string }[]>`
        insert into messages (phone_number_id, contact_id, client_id, direction, message_type, status)
        values (${number.id}, ${contact}, ${client.id}, 'outbound', 'text', ${status}) returning id`
      const data = JSON.stringify({ messageId: message?.id })
      const [row] = await db.sql<{ id: number }[]>`
        insert into outbox (name, data, state) values ('wa/message.send.requested', ${data}::text::jsonb, 'dead')
        returning id::float8 as id`
      expect(await discardOutbox(sql, row?.id ?? 0)).toBe(true)
      return (await db.sql`select status from messages where id = ${message?.id ?? ''}`)[0]?.status
    }
    expect(await discard('queued')).toBe('rejected')
    expect(await discard('sending')).toBe('sending')
  })

  test('holds everything back and lets it go again', async () => {
    await emitSend()
    await add('ready', { leased: true })
    expect(await holdOutbox(sql)).toBe(1)
    let runs = 0
    startRunner(async () => void runs++)
    expect(await releaseOutbox(sql)).toBe(1)
    await expect.poll(() => runs).toBe(1)
  })

  test('sees depth and age', async () => {
    expect(await outboxFigures(sql)).toEqual({ ready: 0, dead: 0, held: 0, oldest_seconds: 0 })
    await add('done')
    await add('dead')
    await add('ready', { age: 100 })
    await add('ready', { age: -100 })
    const figures = await outboxFigures(sql)
    expect(figures).toMatchObject({ ready: 2, dead: 1, held: 0 })
    expect(figures.oldest_seconds).toBeGreaterThanOrEqual(100)
    expect(figures.oldest_seconds).toBeLessThan(130)
  })
})
