import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { NonRetriable, RetryAfter } from '../../../server/jobs/job.ts'
import { type EventApi, startEventApi } from '../../fakes/inngest/event-api.ts'
import { signCall } from '../../fakes/inngest/signature.ts'
import {
  EVENT_KEY,
  event,
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

describe('functions', () => {
  test('D3.6 every job and every cron is registered, with its limits', async () => {
    const body = { url: `${SERVE_ORIGIN}/api/inngest` }
    const answer = await app.call(
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
    app.run = async (data, { attempt, isLastAttempt }) => void seen.push({ data, attempt, isLastAttempt })
    expect(await app.executed()).toMatchObject({ outcome: 'done', attempts: 1 })
    expect(seen).toEqual([{ data: { wabaId: '1' }, attempt: 0, isLastAttempt: false }])
  })

  test('a failure is tried again and tells the job which try it is', async () => {
    const seen: unknown[] = []
    app.run = async (_, { attempt, isLastAttempt }) => {
      seen.push([attempt, isLastAttempt])
      if (!isLastAttempt) throw new Error('not yet')
    }
    expect(await app.executed()).toMatchObject({ outcome: 'done', attempts: 3 })
    expect(seen).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ])
  })

  test('the last failure is said to be the last', async () => {
    app.run = () => Promise.reject(new Error('never'))
    expect(await app.executed()).toMatchObject({ outcome: 'failed', attempts: 3 })
    const told = app.logs.filter(({ job: id }) => id === 'test-sync').map(({ msg }) => msg)
    expect(told).toEqual(['job_failed', 'job_failed', 'job_dead'])
  })

  test('NonRetriable is not tried again', async () => {
    let runs = 0
    app.run = async () => {
      runs += 1
      throw new NonRetriable('no such account')
    }
    expect(await app.executed()).toMatchObject({ outcome: 'failed' })
    expect(runs).toBe(1)
  })

  test('RetryAfter says when', async () => {
    app.run = async (_, { attempt }) => {
      if (attempt === 0) throw new RetryAfter('slow down', 90)
    }
    expect(await app.executed()).toMatchObject({ outcome: 'done', retryAfter: ['90'] })
  })

  test('what failed is told without what the database quotes', async () => {
    app.run = () =>
      Promise.reject(Object.assign(new Error('value "+15550001111"'), { severity: 'ERROR', code: '22P02' }))
    const body = {
      version: 2,
      ctx: { run_id: 'r', fn_id: '', attempt: 0, stack: { stack: [], current: 0 } },
      event: event(),
      events: [event()],
      steps: {},
    }
    const headers = { 'content-type': 'application/json', 'x-inngest-signature': signCall(KEY, body) }
    const answer = await fetch(`${app.url}?fnId=wa-mcp-test-sync&stepId=step`, {
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
    app.run = async () => void runs++
    expect(await app.executed({ wabaId: 7 })).toMatchObject({ outcome: 'failed' })
    expect(runs).toBe(0)
  })
})
