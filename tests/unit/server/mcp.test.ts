import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import type { AuditEntry } from '../../../server/audit/audit.ts'
import { createLogger } from '../../../server/log.ts'
import { Coalescer } from '../../../server/mcp/coalesce.ts'
import { Refusals } from '../../../server/mcp/refusals.ts'
import { RequestStates } from '../../../server/mcp/request-state.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the state a client carries', () => {
  const states = new RequestStates(new Secret('a'.repeat(64)))

  test('opens for the same subject, for ten minutes', () => {
    const state = states.seal('client\ntool', { round: 1 })
    expect(states.open('client\ntool', state)).toEqual({ data: { round: 1 } })
    vi.advanceTimersByTime(10 * 60_000)
    expect(states.open('client\ntool', state)).toBeUndefined()
  })

  test('is refused for another subject, under another secret, or changed', () => {
    const state = states.seal('one', null)
    const [payload = '', signature = ''] = state.split('.')
    const later = Buffer.from(JSON.stringify({ data: null, until: 9e15 })).toString('base64url')
    const strangers = new RequestStates(new Secret('b'.repeat(64)))
    for (const forged of [
      '',
      '.',
      payload,
      `${later}.${signature}`,
      `${payload}.`,
      strangers.seal('one', null),
    ])
      expect(() => states.open('one', forged)).toThrow('requestState')
    expect(() => states.open('two', state)).toThrow('requestState')
  })
})

test('a burst becomes its first and its latest, for each address alone', () => {
  const told: string[] = []
  const coalescer = new Coalescer<number>((address, value) => void told.push(`${address}${value}`))
  for (let n = 1; n <= 9; n += 1) coalescer.push('a', n)
  coalescer.push('b', 1)
  expect(told).toEqual(['a1', 'b1'])
  vi.advanceTimersByTime(50)
  expect(told).toEqual(['a1', 'b1', 'a9'])
  coalescer.push('a', 10)
  vi.advanceTimersByTime(50)
  expect(told).toEqual(['a1', 'b1', 'a9', 'a10'])
  coalescer.push('a', 11)
  coalescer.close()
  vi.advanceTimersByTime(1_000)
  expect(told).toHaveLength(4)
})

test('refusals are one line per source and minute, and the next line counts what was left out', () => {
  const entries: AuditEntry[] = []
  const audit = { record: async (entry: AuditEntry) => void entries.push(entry), close: async () => {} }
  const refusals = new Refusals(audit, createLogger('silent', { write: () => {} }))
  const entry = { action: 'auth.refused', errorClass: 'bad_key' }
  for (let n = 0; n < 5; n += 1) refusals.note('ip 192.0.2', entry)
  refusals.note('ip 198.51.100', entry)
  expect(entries).toHaveLength(2)
  vi.advanceTimersByTime(60_000)
  refusals.note('ip 192.0.2', entry)
  expect(entries[2]).toMatchObject({ outcome: 'refused', detail: { not_listed_before: 4 } })
  for (let n = 0; n < 5_000; n += 1) refusals.note(`ip ${n}`, entry)
  expect(entries.length).toBeLessThan(1_010)
})
