import { describe, expect, test } from 'vitest'
import { afterFailure, DELAYS_MS, reasonOf } from '../../../server/jobs/failure.ts'
import { type Job, NonRetriable, RetryAfter } from '../../../server/jobs/job.ts'
import { Outage } from '../../../server/jobs/outage.ts'
import { createLogger } from '../../../server/log.ts'

const job: Job = { id: 'x', event: 'wa/webhook.received', retries: 10, concurrency: 1, run: async () => {} }
const row = (attempts: number) => ({ id: '1', name: job.event, data: {}, key: '', attempts })

describe('after a failure', () => {
  test.each([0, 1, 2, 3, 4, 5, 9])(
    'the wait after try %i is the planned one, spread by a fifth',
    (attempts) => {
      const planned = DELAYS_MS[Math.min(attempts, DELAYS_MS.length - 1)] ?? 0
      const delays = Array.from(
        { length: 200 },
        () => afterFailure(row(attempts), job, new Error('x')).delayMs ?? 0,
      )
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(planned * 0.8)
      expect(Math.max(...delays)).toBeLessThanOrEqual(planned * 1.2)
      expect(new Set(delays).size).toBeGreaterThan(100)
    },
  )

  test('RetryAfter decides the wait, but not how often', () => {
    expect(afterFailure(row(0), job, new RetryAfter('slow', 90))).toMatchObject({
      state: 'ready',
      delayMs: 90_000,
    })
    expect(afterFailure(row(10), job, new RetryAfter('slow', 90))).toMatchObject({ state: 'dead' })
  })

  test('the last try and NonRetriable are the end', () => {
    expect(afterFailure(row(9), job, new Error('x'))).toMatchObject({ state: 'ready', attempts: 10 })
    expect(afterFailure(row(10), job, new Error('x'))).toMatchObject({ state: 'dead', attempts: 11 })
    expect(afterFailure(row(0), job, new NonRetriable('x'))).toMatchObject({ state: 'dead', attempts: 1 })
  })
})

describe('a reason', () => {
  test('names class and message, but of the database only the code, because it quotes rows', () => {
    expect(reasonOf(new TypeError('x is not a function'))).toBe('TypeError: x is not a function')
    const quoting = Object.assign(new Error('value "+15550001111"'), { severity: 'ERROR', code: '22P02' })
    expect(reasonOf(quoting)).toBe('PostgresError 22P02')
    expect(reasonOf('thrown text')).toBe('string')
  })

  test('is short', () => {
    expect(reasonOf(new Error('x'.repeat(10_000))).length).toBe(500)
  })
})

test('an outage is told once, and its end', () => {
  const lines: string[] = []
  const outage = new Outage(
    'thing',
    createLogger('info', { write: (line) => void lines.push(JSON.parse(line).msg) }),
  )
  outage.over()
  outage.noticed(new Error('a'))
  outage.noticed(new Error('b'))
  outage.over()
  outage.over()
  outage.noticed(new Error('c'))
  expect(lines).toEqual(['thing_unreachable', 'thing_back', 'thing_unreachable'])
})
