import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type Database } from '../../../server/db/pool.ts'
import { Clock } from '../../../server/jobs/clock.ts'
import { createCrons } from '../../../server/jobs/crons.ts'
import type { Cron } from '../../../server/jobs/job.ts'
import { Outage } from '../../../server/jobs/outage.ts'
import { createLogger } from '../../../server/log.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { addClient, addContact, addInbound, addNumber, type TestClient, type TestNumber } from './fixtures.ts'

let db: TestDatabase
let sql: Database
let directory: string
let logs: Record<string, unknown>[] = []
const log = createLogger('debug', { write: (line) => void logs.push(JSON.parse(line)) })

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  sql = connect({ url: db.url, role: 'wa_app', password: PASSWORDS.app, max: 3 })
  directory = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-crons-'))
})
afterAll(async () => {
  await sql.end({ timeout: 1 })
  await db.drop()
  await rm(directory, { recursive: true, force: true })
})

describe('the clock', () => {
  const clocks: Clock[] = []
  const start = (crons: readonly Cron[]) => {
    const clock = new Clock({ sql, crons, outage: new Outage('outbox', log), log })
    clocks.push(clock)
    return clock
  }
  const runs = () =>
    db.sql`select tick, finished_at is not null as finished, error from cron_runs where id = 'test' order by tick`
  /** The process was there before, so a tick can have been missed. */
  const wasHereBefore = () => db.sql`insert into cron_runs (id, tick) values ('test', '2020-01-01')`

  beforeEach(() => {
    logs = []
  })
  afterEach(async () => {
    for (const clock of clocks.splice(0)) await clock.stop()
    await db.sql`truncate cron_runs`
  })

  test('a tick is run once, by one of all processes', async () => {
    await wasHereBefore()
    let count = 0
    const cron: Cron = { id: 'test', schedule: '0 * * * *', run: async () => void count++ }
    const all = [start([cron]), start([cron]), start([cron])]
    await expect.poll(async () => (await runs()).at(-1)?.finished).toBe(true)
    for (const clock of all) clock.beat()
    const later = new Date(Date.now() + 3_600_000)
    for (const clock of all) clock.beat(later)
    await expect.poll(async () => (await runs()).filter(({ finished }) => finished).length).toBe(2)
    await Promise.all(all.map((clock) => clock.stop()))
    expect(count).toBe(2)
  })

  test('of ticks that fall together, only those are run that no other process has', async () => {
    const tick = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000)
    await db.sql`insert into cron_runs (id, tick) values
      ('ours', '2020-01-01'), ('theirs', '2020-01-01'), ('theirs', ${tick}), ('theirs', ${new Date(tick.getTime() + 3_600_000)})`
    const ran: string[] = []
    const crons = ['theirs', 'ours', 'new'].map((id) => ({
      id,
      schedule: '0 * * * *',
      run: async () => void ran.push(id),
    }))
    const clock = start(crons)
    await expect.poll(() => ran).toEqual(['ours'])
    await clock.stop()
    expect(ran).toEqual(['ours'])
  })

  test('the very first look runs nothing: nothing can have been missed', async () => {
    let count = 0
    const clock = start([{ id: 'test', schedule: '0 3 * * *', run: async () => void count++ }])
    await expect.poll(async () => (await runs()).length).toBe(1)
    await clock.stop()
    expect(count).toBe(0)
  })

  test('a failure is recorded and logged, and the next tick runs again', async () => {
    await wasHereBefore()
    let count = 0
    const clock = start([
      {
        id: 'test',
        schedule: '0 * * * *',
        run: async () => {
          count += 1
          if (count === 1) throw new Error('disk full')
        },
      },
    ])
    await expect.poll(async () => (await runs()).at(-1)?.error).toBe('Error: disk full')
    expect(logs.find(({ msg }) => msg === 'cron_failed')).toMatchObject({ job: 'test' })
    clock.beat(new Date(Date.now() + 3_600_000))
    await expect.poll(async () => (await runs()).at(-1)).toMatchObject({ finished: true, error: null })
    expect(count).toBe(2)
  })

  test('ticks are UTC minutes', async () => {
    await wasHereBefore()
    start([{ id: 'test', schedule: '17 3 * * *', run: async () => {} }])
    await expect.poll(async () => (await runs()).length).toBe(2)
    const ticks = (await runs()).map(({ tick }) => (tick as Date).toISOString())
    expect(ticks.at(-1)).toMatch(/T03:17:00\.000Z$/)
  })
})

describe('the crons', () => {
  let client: TestClient
  let number: TestNumber
  const cron = (id: string) => {
    const found = createCrons({
      sql,
      mediaRoot: join(directory, 'media'),
      auditDir: join(directory, 'audit'),
      retention: { messagesDays: 30, mediaDays: 30 },
    }).find((one) => one.id === id)
    if (found === undefined) throw new Error(`no cron ${id}`)
    return () => found.run({ log })
  }
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)

  beforeAll(async () => {
    client = await addClient(db.sql, 'crons')
    number = await addNumber(db.sql, client, { wabaId: '200000000000001' })
  })

  test('D3.6 every cron is there, in UTC and five fields', () => {
    const all = createCrons({
      sql,
      mediaRoot: '',
      auditDir: '',
      retention: { messagesDays: 1, mediaDays: 1 },
    })
    expect(all.map(({ id, schedule }) => [id, schedule.split(' ').length])).toEqual([
      ['audit-archive', 5],
      ['messages-retention', 5],
      ['media-retention', 5],
      ['rate-limit-gc', 5],
      ['templates-sync', 5],
    ])
  })

  test('messages-retention forgets old messages with their statuses and old deliveries, but none that is open', async () => {
    const contact = await addContact(db.sql, number)
    const old = await addInbound(db.sql, number, client, contact, { body: 'old' })
    await addInbound(db.sql, number, client, contact, { body: 'new' })
    await db.sql`update messages set created_at = ${daysAgo(31)} where id = ${old.id}`
    await db.sql`insert into message_statuses (phone_number_id, message_id, wa_message_id, status, created_at) values
      (${number.id}, ${old.id}, 'of the old', 'read', ${daysAgo(31)}),
      (${number.id}, null, 'parked long ago', 'read', ${daysAgo(31)}),
      (${number.id}, null, 'parked now', 'read', now())`
    await db.sql`insert into webhook_events (sha256, body, received_at, processed_at) values
      (sha256('a'), 'old and done', ${daysAgo(31)}, now()),
      (sha256('b'), 'old and open', ${daysAgo(31)}, null),
      (sha256('c'), 'new and done', now(), now())`
    await cron('messages-retention')()
    expect(await db.sql`select body from messages`).toEqual([{ body: 'new' }])
    expect(await db.sql`select wa_message_id as id from message_statuses`).toEqual([{ id: 'parked now' }])
    const left = await db.sql`select convert_from(body, 'utf8') as body from webhook_events order by 1`
    expect(left.map(({ body }) => body)).toEqual(['new and done', 'old and open'])
  })

  test('media-retention removes old media', async () => {
    await db.sql`insert into media_objects (phone_number_id, client_id, direction, kind, status, storage_path, created_at)
      values (${number.id}, ${client.id}, 'inbound', 'image', 'stored', 'gone.jpg', ${daysAgo(31)}),
        (${number.id}, ${client.id}, 'inbound', 'image', 'stored', 'kept.jpg', now())`
    await cron('media-retention')()
    const rows = await db.sql`select status from media_objects order by created_at`
    expect(rows.map(({ status }) => status)).toEqual(['deleted', 'stored'])
  })

  test('rate-limit-gc drops what is over and keeps what counts', async () => {
    await db.sql`insert into mcp_sessions (id, client_id, protocol_version, last_seen_at) values
      (gen_random_uuid(), ${client.id}, 'idle', now() - interval '31 minutes'),
      (gen_random_uuid(), ${client.id}, 'live', now() - interval '29 minutes')`
    await db.sql`insert into outbox (name, data, state, done_at) values
      ('wa/x', '1', 'done', now() - interval '49 hours'), ('wa/x', '2', 'done', now() - interval '47 hours'),
      ('wa/x', '3', 'dead', null)`
    await db.sql`insert into rate_limit_buckets (scope_kind, scope_id, window_start) values
      ('month', gen_random_uuid(), now() - interval '63 days'), ('month', gen_random_uuid(), now() - interval '40 days')`
    await cron('rate-limit-gc')()
    const sessions = await db.sql`select protocol_version as v from mcp_sessions`
    expect(sessions).toEqual([{ v: 'live' }])
    const rows = await db.sql`select data from outbox order by id`
    expect(rows.map(({ data }) => data)).toEqual([2, 3])
    expect(await db.sql`select from rate_limit_buckets`).toHaveLength(1)
  })

  test('templates-sync asks once for each business account with a number in use', async () => {
    await addNumber(db.sql, client, { wabaId: '200000000000001' })
    await addNumber(db.sql, client, { wabaId: '200000000000002' })
    const off = await addNumber(db.sql, client, { wabaId: '200000000000003' })
    await db.sql`update phone_numbers set disabled_at = now() where id = ${off.id}`
    await cron('templates-sync')()
    const rows = await db.sql`select data from outbox where name = 'wa/templates.sync.requested' order by 1`
    expect(rows.map(({ data }) => data)).toEqual([
      { wabaId: '200000000000001' },
      { wabaId: '200000000000002' },
    ])
  })

  test('audit-archive closes a segment', async () => {
    await cron('audit-archive')()
    expect(await db.sql`select from audit_segments`).toHaveLength(1)
  })
})
