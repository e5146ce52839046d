import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { emit } from '../../../server/jobs/emit.ts'
import { EVENTS, type EventName } from '../../../server/jobs/events.ts'
import { type EventApi, type SentEvent, startEventApi } from '../../fakes/inngest/event-api.ts'
import { sign as signDelivery, startHarness } from './harness.ts'
import {
  EVENT_KEY,
  type Ground,
  type InngestApp,
  KEY,
  prepareGround,
  SERVE_ORIGIN,
  startApp,
} from './inngest-app.ts'

let ground: Ground
let api: EventApi
let app: InngestApp

beforeAll(async () => {
  ground = await prepareGround()
})
afterAll(() => ground?.stop())
beforeEach(async () => {
  api = await startEventApi(EVENT_KEY)
  app = await startApp(ground, api)
})
afterEach(async () => {
  await app.stop()
  await api.close()
  await ground.clear()
})

describe('the relay', () => {
  const emitSync = (wabaId: string, key?: string) =>
    emit(ground.db.sql, 'wa/templates.sync.requested', { wabaId }, { ...(key !== undefined && { key }) })
  const states = async () =>
    (await ground.db.sql<{ state: string }[]>`select state from outbox order by id`).map(({ state }) => state)
  const sent = () => api.batches.flat()
  const warnings = () => app.logs.filter(({ msg }) => msg === 'inngest_unreachable')

  test('D3.2 every event goes out with its row as id, matches its schema, and carries ids only', async () => {
    await emitSync('1', 'number-1')
    await emit(ground.db.sql, 'wa/webhook.received', { eventId: 7 })
    await emit(ground.db.sql, 'wa/message.send.requested', {
      messageId: '018f2e9c-0000-7000-8000-000000000000',
    })
    await expect.poll(states).toEqual(['done', 'done', 'done'])
    const rows = await ground.db.sql<{ id: string }[]>`select id from outbox`
    expect(new Set(sent().map(({ id }) => id))).toEqual(new Set(rows.map(({ id }) => `outbox:${id}`)))
    for (const { name, data, id } of sent()) {
      const { _key: key, ...rest } = data
      expect(EVENTS[name as EventName].parse(rest)).toEqual(rest)
      expect(key).toBe(rest.wabaId === '1' ? 'number-1' : id)
    }
  })

  test('D3.2 what does not match its schema is dead instead', async () => {
    await ground.db
      .sql`insert into outbox (name, data) values ('wa/unheard.of', '{}'), ('wa/webhook.received', '{"eventId":"x"}'),
      ('wa/webhook.received', '{"eventId":8}')`
    await expect.poll(states).toEqual(['dead', 'dead', 'done'])
    expect(sent().map(({ data }) => data.eventId)).toEqual([8])
  })

  test('many rows go out in few calls', async () => {
    await ground.db.sql`insert into outbox (name, data)
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
    const reason = async () =>
      (await ground.db.sql`select last_error from outbox order by id`)[0]?.last_error ?? ''
    await expect.poll(reason).toMatch(/^EventApiError: the event API/)
    expect(await states()).toEqual(['ready', 'ready'])
    await recover()
    await expect.poll(states, { timeout: 10_000 }).toEqual(['done', 'done'])
    expect(warnings()).toHaveLength(1)
    expect(app.logs.filter(({ msg }) => msg === 'inngest_back')).toHaveLength(1)
    expect(JSON.stringify(app.logs)).not.toContain(EVENT_KEY)
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
    const second = await startApp(ground, api)
    await ground.db.sql`insert into outbox (name, data)
      select 'wa/templates.sync.requested', jsonb_build_object('wabaId', i::text) from generate_series(1, 3000) i`
    await expect.poll(() => sent().length, { timeout: 10_000 }).toBe(3000)
    expect(new Set(sent().map(({ id }) => id)).size).toBe(3000)
    await second.stop()
  })

  test('a row that has waited for a day is an alarm', async () => {
    api.mode = 500
    await ground.db.sql`insert into outbox (name, data, created_at)
      values ('wa/templates.sync.requested', '{"wabaId":"1"}', now() - interval '25 hours')`
    await expect.poll(() => app.logs.filter(({ msg }) => msg === 'outbox_older_than_a_day').length).toBe(1)
    const { calls } = api
    await expect.poll(() => api.calls).toBeGreaterThan(calls + 1)
    expect(app.logs.filter(({ msg }) => msg === 'outbox_older_than_a_day')).toHaveLength(1)
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
