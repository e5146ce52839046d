import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect as connectTcp } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { type InngestConfig, loadAppConfig } from '../../../server/config/env.ts'
import { Listener } from '../../../server/db/listener.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createFront } from '../../../server/http/front.ts'
import { createCrons } from '../../../server/jobs/crons.ts'
import { emit } from '../../../server/jobs/emit.ts'
import { EVENTS, type EventName } from '../../../server/jobs/events.ts'
import { startInngest } from '../../../server/jobs/inngest.ts'
import { type Job, type JobContext, NonRetriable, RetryAfter } from '../../../server/jobs/job.ts'
import type { Runner } from '../../../server/jobs/runner.ts'
import { createLogger } from '../../../server/log.ts'
import { type EventApi, type SentEvent, startEventApi } from '../../fakes/inngest/event-api.ts'
import { execute } from '../../fakes/inngest/executor.ts'
import { signCall } from '../../fakes/inngest/signature.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { sign as signDelivery, startHarness } from './harness.ts'

const KEY = 'a1'.repeat(32)
const PREVIOUS_KEY = 'b2'.repeat(32)
const EVENT_KEY = 'event-key-for-tests-0001'
const SERVE_ORIGIN = 'http://app.internal:3000'

let db: TestDatabase
let sql: Database
let listener: Listener
let api: EventApi
let runner: Runner & { close(): Promise<void> }
let url: string
let run: (data: { wabaId: string }, context: JobContext) => Promise<void> = async () => {}
let logs: Record<string, unknown>[] = []

const job: Job<'wa/templates.sync.requested'> = {
  id: 'test-sync',
  event: 'wa/templates.sync.requested',
  retries: 2,
  concurrency: 3,
  run: (data, context) => run(data, context),
}

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  const database = { url: db.url, role: 'wa_app', password: PASSWORDS.app } as const
  sql = connect({ ...database, max: 4 })
  listener = new Listener(database)
})
afterAll(async () => {
  await Promise.all([listener.close(), sql.end({ timeout: 1 })])
  await db.drop()
})
beforeEach(async () => {
  logs = []
  run = async () => {}
  api = await startEventApi(EVENT_KEY)
  runner = await startServer()
})
afterEach(async () => {
  await runner.close()
  await api.close()
  await db.sql`truncate outbox`
})

/** The endpoint behind the real front, and the relay. */
async function startServer(): Promise<typeof runner> {
  const log = createLogger('debug', { write: (line) => void logs.push(JSON.parse(line)) })
  const config: InngestConfig = {
    baseUrl: api.url,
    serveOrigin: new URL(SERVE_ORIGIN),
    signingKey: new Secret(KEY),
    previousSigningKey: new Secret(PREVIOUS_KEY),
    eventKey: new Secret(EVENT_KEY),
  }
  const crons = createCrons({
    sql,
    mediaRoot: '/nowhere',
    auditDir: '/nowhere',
    retention: { messagesDays: 1, mediaDays: 1 },
  })
  const inngest = startInngest({
    config,
    sql,
    listener,
    jobs: [job],
    crons,
    log,
    retryMs: 20,
    timeoutMs: 200,
  })
  const server = createFront({ '/api/inngest': { '*': inngest.handler } }, log)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/inngest`
  return {
    stop: inngest.stop,
    close: async () => {
      await inngest.stop(2_000)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const call = (method: string, headers: Record<string, string> = {}, body?: string) =>
  fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body }),
  })
/** A call as the Inngest server makes it. */
const signed = (method: string, body?: unknown, key = KEY, at?: number) =>
  call(
    method,
    { 'x-inngest-signature': signCall(key, body, at) },
    body === undefined ? undefined : JSON.stringify(body),
  )
const isAlive = async () => expect((await signed('GET')).status).toBe(200)
const event = (data: Record<string, unknown> = { wabaId: '1' }) => ({
  id: 'outbox:1',
  name: 'wa/templates.sync.requested',
  data: { ...data, _key: 'k' },
})
const executed = (data?: Record<string, unknown>) =>
  execute({ url, key: KEY, functionId: 'wa-mcp-test-sync', maxAttempts: 3, event: event(data) })

describe('what the endpoint refuses', () => {
  test('D3.1 an unsigned call of any method is refused, and so is one with a wrong or an old signature', async () => {
    const body = { url: 'http://x' }
    for (const method of ['GET', 'POST', 'PUT']) {
      const text = method === 'GET' ? undefined : JSON.stringify(body)
      expect((await call(method, {}, text)).status).toBe(401)
      expect((await call(method, { 'x-inngest-signature': 't=1&s=00' }, text)).status).toBe(401)
      const old = Math.floor(Date.now() / 1000) - 600
      const wrong = await signed(method, text === undefined ? undefined : body, 'c3'.repeat(32))
      const late = await signed(method, text === undefined ? undefined : body, KEY, old)
      expect([wrong.status, late.status]).toEqual([401, 401])
    }
    expect(api.calls).toBe(0)
  })

  test('the previous key still works', async () => {
    expect((await signed('GET', undefined, PREVIOUS_KEY)).status).toBe(200)
  })

  test('other methods are 405, signed or not', async () => {
    for (const method of ['DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
      const answer = await signed(method)
      expect(answer.status).toBe(405)
      expect(answer.headers.get('allow')).toBe('GET, POST, PUT')
    }
  })

  test('malformed JSON is an answer, not the end of the process', async () => {
    for (const method of ['POST', 'PUT']) {
      const answer = await call(method, { 'x-inngest-signature': signCall(KEY, undefined) }, '{"broken')
      expect(answer.status).toBe(400)
    }
    await isAlive()
  })

  test('an upload cut in the middle is not the end of the process', async () => {
    const { port, hostname } = new URL(url)
    for (const method of ['POST', 'PUT']) {
      await new Promise<void>((resolve) => {
        const socket = connectTcp(Number(port), hostname, () => {
          socket.write(
            `${method} /api/inngest HTTP/1.1\r\nhost: x\r\nx-inngest-signature: t=1&s=00\r\ncontent-length: 1000\r\n\r\n{"half`,
            () => socket.destroy(),
          )
        })
        socket.on('close', () => resolve())
      })
    }
    await isAlive()
  })

  test('a body of 6 MiB is 413, declared or chunked, whatever its signature', async () => {
    const body = JSON.stringify({ filler: 'x'.repeat(6 * 1024 * 1024) })
    const bogus = { 'x-inngest-signature': `t=${Math.floor(Date.now() / 1000)}&s=${'0'.repeat(64)}` }
    expect((await call('POST', bogus, body)).status).toBe(413)
    const stream = new Blob([body]).stream()
    const chunked = await fetch(url, {
      method: 'POST',
      headers: bogus,
      body: stream,
      duplex: 'half',
    } as RequestInit)
    expect(chunked.status).toBe(413)
    expect((await call('POST', {}, body)).status).toBe(401)
    await isAlive()
  })

  test('a body of 4 MiB, as the Inngest server may send, is read whole', async () => {
    const seen: number[] = []
    run = async ({ wabaId }) => void seen.push(wabaId.length)
    // The event is in the body twice.
    const length = 2 * 1024 * 1024
    expect(await executed({ wabaId: 'x'.repeat(length) })).toMatchObject({ outcome: 'done' })
    expect(seen).toEqual([length])
  })

  test('no header decides where Inngest finds us', async () => {
    const spoofed = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-inngest-signature': signCall(KEY, {}),
      'content-type': 'application/json',
    }
    const status = await new Promise((resolve, reject) => {
      const req = request(url, { method: 'PUT', headers: spoofed }, (res) => resolve(res.resume().statusCode))
      req.on('error', reject).end('{}')
    })
    expect(status).toBe(200)
    expect(api.registered).toEqual([`${SERVE_ORIGIN}/api/inngest`])
  })

  test('one address cannot occupy us with more than a hundred calls', async () => {
    let release = () => {}
    const blocked = new Promise<void>((resolve) => {
      release = resolve
    })
    let started = 0
    run = async () => {
      started += 1
      await blocked
    }
    const runs = Array.from({ length: 100 }, () => executed())
    await expect.poll(() => started).toBe(100)
    expect((await signed('GET')).status).toBe(429)
    release()
    await Promise.all(runs)
    await isAlive()
  })

  test('the start is refused without the keys, or with signatures switched off', () => {
    const env = {
      PUBLIC_URL: 'https://wa.example.org',
      DATABASE_URL: 'postgres://db:5432/wa_mcp',
      SECRETS_DIR: '/nonexistent',
      INNGEST_BASE_URL: 'http://inngest:8288',
      WA_APP_SECRET: 'x1'.repeat(16),
      WA_WEBHOOK_VERIFY_TOKEN: 'x2'.repeat(16),
      WA_DEFAULT_ACCESS_TOKEN: 'x3'.repeat(16),
      API_KEY_PEPPER: 'x4'.repeat(32),
      MEDIA_SIGNING_SECRET: 'x5'.repeat(32),
      POSTGRES_APP_PASSWORD: 'x6'.repeat(24),
    }
    const keys = { INNGEST_SIGNING_KEY: KEY, INNGEST_EVENT_KEY: EVENT_KEY }
    expect(() => loadAppConfig(env)).toThrow(/inngest_signing_key and inngest_event_key/)
    expect(() => loadAppConfig({ ...env, INNGEST_SIGNING_KEY: KEY })).toThrow(/inngest_event_key/)
    expect(() => loadAppConfig({ ...env, ...keys, INNGEST_DEV: '1' })).toThrow(/INNGEST_DEV/)
    const config = loadAppConfig({ ...env, ...keys })
    expect(config.inngest?.serveOrigin.href).toBe('https://wa.example.org/')
    const inner = loadAppConfig({ ...env, ...keys, INNGEST_SERVE_ORIGIN: 'http://app:3000' })
    expect(inner.inngest?.serveOrigin.href).toBe('http://app:3000/')
  })
})

describe('functions', () => {
  test('D3.6 every job and every cron is registered, with its limits', async () => {
    const body = { url: `${SERVE_ORIGIN}/api/inngest` }
    const answer = await call(
      'PUT',
      { 'x-inngest-signature': signCall(KEY, body), 'x-inngest-sync-kind': 'in_band' },
      JSON.stringify(body),
    )
    const { functions } = (await answer.json()) as { functions: Record<string, unknown>[] }
    const shown = functions.map(({ id, triggers, concurrency }) => ({ id, triggers, concurrency }))
    expect(shown).toEqual([
      {
        id: 'wa-mcp-test-sync',
        triggers: [{ event: 'wa/templates.sync.requested' }],
        concurrency: [{ key: 'event.data._key', limit: 3 }],
      },
      ...[
        ['audit-archive', '0 * * * *'],
        ['messages-retention', '17 3 * * *'],
        ['media-retention', '37 3 * * *'],
        ['rate-limit-gc', '47 * * * *'],
        ['templates-sync', '7 4 * * *'],
      ].map(([id, schedule]) => ({
        id: `wa-mcp-${id}`,
        triggers: [expect.objectContaining({ cron: `TZ=UTC ${schedule}` })],
        concurrency: undefined,
      })),
    ])
    expect(functions[0]).toMatchObject({ steps: { step: { retries: { attempts: 2 } } } })
  })

  test('a job runs once, with its data and nothing else', async () => {
    const seen: unknown[] = []
    run = async (data, { attempt, isLastAttempt }) => void seen.push({ data, attempt, isLastAttempt })
    expect(await executed()).toMatchObject({ outcome: 'done', attempts: 1 })
    expect(seen).toEqual([{ data: { wabaId: '1' }, attempt: 0, isLastAttempt: false }])
  })

  test('a failure is tried again and tells the job which try it is', async () => {
    const seen: unknown[] = []
    run = async (_, { attempt, isLastAttempt }) => {
      seen.push([attempt, isLastAttempt])
      if (!isLastAttempt) throw new Error('not yet')
    }
    expect(await executed()).toMatchObject({ outcome: 'done', attempts: 3 })
    expect(seen).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ])
  })

  test('the last failure is said to be the last', async () => {
    run = () => Promise.reject(new Error('never'))
    expect(await executed()).toMatchObject({ outcome: 'failed', attempts: 3 })
    const told = logs.filter(({ job: id }) => id === 'test-sync').map(({ msg }) => msg)
    expect(told).toEqual(['job_failed', 'job_failed', 'job_dead'])
  })

  test('NonRetriable is not tried again', async () => {
    let runs = 0
    run = async () => {
      runs += 1
      throw new NonRetriable('no such account')
    }
    expect(await executed()).toMatchObject({ outcome: 'failed' })
    expect(runs).toBe(1)
  })

  test('RetryAfter says when', async () => {
    run = async (_, { attempt }) => {
      if (attempt === 0) throw new RetryAfter('slow down', 90)
    }
    expect(await executed()).toMatchObject({ outcome: 'done', retryAfter: ['90'] })
  })

  test('what failed is told without what the database quotes', async () => {
    run = () =>
      Promise.reject(Object.assign(new Error('value "+15550001111"'), { severity: 'ERROR', code: '22P02' }))
    const body = {
      version: 2,
      ctx: { run_id: 'r', fn_id: '', attempt: 0, stack: { stack: [], current: 0 } },
      event: event(),
      events: [event()],
      steps: {},
    }
    const headers = { 'content-type': 'application/json', 'x-inngest-signature': signCall(KEY, body) }
    const answer = await fetch(`${url}?fnId=wa-mcp-test-sync&stepId=step`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    expect(text).toContain('PostgresError 22P02')
    expect(text).not.toContain('15550001111')
  })

  test('data that is not that of the event is refused for good', async () => {
    let runs = 0
    run = async () => void runs++
    expect(await executed({ wabaId: 7 })).toMatchObject({ outcome: 'failed' })
    expect(runs).toBe(0)
  })
})

describe('the relay', () => {
  const emitSync = (wabaId: string, key?: string) =>
    emit(db.sql, 'wa/templates.sync.requested', { wabaId }, { ...(key !== undefined && { key }) })
  const states = async () =>
    (await db.sql<{ state: string }[]>`select state from outbox order by id`).map(({ state }) => state)
  const sent = () => api.batches.flat()
  const warnings = () => logs.filter(({ msg }) => msg === 'inngest_unreachable')

  test('D3.2 every event goes out with its row as id, matches its schema, and carries ids only', async () => {
    await emitSync('1', 'number-1')
    await emit(db.sql, 'wa/webhook.received', { eventId: 7 })
    await emit(db.sql, 'wa/message.send.requested', { messageId: '018f2e9c-0000-7000-8000-000000000000' })
    await expect.poll(states).toEqual(['done', 'done', 'done'])
    const rows = await db.sql<{ id: string }[]>`select id from outbox`
    expect(new Set(sent().map(({ id }) => id))).toEqual(new Set(rows.map(({ id }) => `outbox:${id}`)))
    for (const { name, data, id } of sent()) {
      const { _key: key, ...rest } = data
      expect(EVENTS[name as EventName].parse(rest)).toEqual(rest)
      expect(key).toBe(rest.wabaId === '1' ? 'number-1' : id)
    }
  })

  test('D3.2 what does not match its schema is dead instead', async () => {
    await db.sql`insert into outbox (name, data) values ('wa/unheard.of', '{}'), ('wa/webhook.received', '{"eventId":"x"}'),
      ('wa/webhook.received', '{"eventId":8}')`
    await expect.poll(states).toEqual(['dead', 'dead', 'done'])
    expect(sent().map(({ data }) => data.eventId)).toEqual([8])
  })

  test('many rows go out in few calls', async () => {
    await db.sql`insert into outbox (name, data)
      select 'wa/templates.sync.requested', jsonb_build_object('wabaId', i::text) from generate_series(1, 1200) i`
    await expect.poll(() => sent().length).toBe(1200)
    expect(new Set(sent().map(({ id }) => id)).size).toBe(1200)
    expect(api.calls).toBeLessThan(8)
    for (const batch of api.batches) expect(JSON.stringify(batch).length).toBeLessThan(512 * 1024)
  })

  const set = (mode: EventApi['mode']) => async () => {
    api.mode = mode
  }
  test.each([
    ['is down', () => api.close(), () => api.listen()],
    ['answers 500', set(500), set('ok')],
    ['refuses our key', set(401), set('ok')],
    ['hangs', set('hang'), set('ok')],
  ])('while Inngest %s rows wait, with one line, and all go out later', async (_, fail, recover) => {
    await fail()
    await emitSync('1')
    await expect.poll(() => warnings().length).toBe(1)
    await emitSync('2')
    const reason = async () => (await db.sql`select last_error from outbox order by id`)[0]?.last_error ?? ''
    await expect.poll(reason).toMatch(/^EventApiError: the event API/)
    expect(await states()).toEqual(['ready', 'ready'])
    await recover()
    await expect.poll(states, { timeout: 10_000 }).toEqual(['done', 'done'])
    expect(warnings()).toHaveLength(1)
    expect(logs.filter(({ msg }) => msg === 'inngest_back')).toHaveLength(1)
    expect(JSON.stringify(logs)).not.toContain(EVENT_KEY)
  })

  test('a hand-over whose answer is lost is repeated under the same id', async () => {
    api.mode = 'lost'
    await emitSync('1')
    await expect.poll(() => sent().length).toBeGreaterThan(0)
    api.mode = 'ok'
    await expect.poll(states).toEqual(['done'])
    const ids = sent().map(({ id }: SentEvent) => id)
    expect(ids.length).toBeGreaterThan(1)
    expect(new Set(ids).size).toBe(1)
  })

  test('two relays hand each row over once', async () => {
    const first = runner
    const second = await startServer()
    await db.sql`insert into outbox (name, data)
      select 'wa/templates.sync.requested', jsonb_build_object('wabaId', i::text) from generate_series(1, 3000) i`
    await expect.poll(() => sent().length, { timeout: 10_000 }).toBe(3000)
    expect(new Set(sent().map(({ id }) => id)).size).toBe(3000)
    await first.close()
    runner = second
  })

  test('a row that has waited for a day is an alarm', async () => {
    api.mode = 500
    await db.sql`insert into outbox (name, data, created_at)
      values ('wa/templates.sync.requested', '{"wabaId":"1"}', now() - interval '25 hours')`
    await expect.poll(() => logs.filter(({ msg }) => msg === 'outbox_older_than_a_day').length).toBe(1)
    const { calls } = api
    await expect.poll(() => api.calls).toBeGreaterThan(calls + 1)
    expect(logs.filter(({ msg }) => msg === 'outbox_older_than_a_day')).toHaveLength(1)
  })
})

describe('the whole server', () => {
  test('while Inngest is down webhooks are answered 200 and work waits; afterwards all of it goes out', async () => {
    await api.close()
    const harness = await startHarness(() => ({
      inngest: {
        baseUrl: api.url,
        serveOrigin: new URL(SERVE_ORIGIN),
        signingKey: new Secret(KEY),
        previousSigningKey: undefined,
        eventKey: new Secret(EVENT_KEY),
      },
    }))
    try {
      for (const id of ['1', '2', '3']) {
        const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [], id })
        const answer = await fetch(`${harness.origin}/webhook/meta`, {
          method: 'POST',
          headers: { 'x-hub-signature-256': signDelivery(body) },
          body,
        })
        expect(answer.status).toBe(200)
      }
      await expect.poll(() => harness.logs.some(({ msg }) => msg === 'inngest_unreachable')).toBe(true)
      expect((await fetch(`${harness.origin}/health`)).status).toBe(200)
      expect((await fetch(`${harness.origin}/api/inngest`)).status).toBe(401)
      const open = () => harness.db.sql`select from outbox where state = 'ready'`.then(({ length }) => length)
      expect(await open()).toBe(3)
      await api.listen()
      await expect.poll(open).toBe(0)
      expect(api.batches.flat().map(({ name }) => name)).toEqual(Array(3).fill('wa/webhook.received'))
    } finally {
      await harness.stop()
    }
  })
})
