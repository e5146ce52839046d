import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { AuditEntry } from '../../../server/audit/audit.ts'
import { type AuditRow, canonicalJson, GENESIS, hashOf } from '../../../server/audit/canonical.ts'
import { AuditRefused, toRow } from '../../../server/audit/entry.ts'

const NOW = new Date('2027-01-31T12:00:00.007Z')
const entry = (change: Partial<AuditEntry> = {}): AuditEntry => ({
  action: 'tool.call',
  outcome: 'ok',
  transport: 'http',
  ...change,
})

test('canonical JSON sorts keys by code unit at every depth and keeps the order of lists', () => {
  const value = { b: [2, { z: null, A: 'é\n' }], a: 1e21, '\u{1F600}': 0.1, '\uFB33': -0 }
  expect(canonicalJson(value)).toBe('{"a":1e+21,"b":[2,{"A":"é\\n","z":null}],"\u{1F600}":0.1,"\uFB33":0}')
})

test('the hash of a row is what anybody computes from its written-out form', () => {
  const row: AuditRow = { id: 1, ...toRow(entry({ detail: { b: 1, a: 'x' } }), NOW) }
  const text =
    '{"action":"tool.call","api_key_id":null,"client_id":null,"detail":{"a":"x","b":1},"duration_ms":null,' +
    '"error_class":null,"error_code":null,"id":1,"ip":null,"outcome":"ok","phone_number_id":null,"request_id":null,' +
    '"tool":null,"transport":"http","ts":"2027-01-31T12:00:00.007Z"}'
  const expected = createHash('sha256').update(Buffer.alloc(32)).update(text, 'utf8').digest('hex')
  expect(hashOf(GENESIS.hash, row).toString('hex')).toBe(expected)
})

test.each([
  { body: 'canary' },
  { text: 'canary' },
  { caption: 'canary' },
  { access_token: 'canary' },
  { nested: [{ clientSecret: 'canary' }] },
  { phone: 'canary' },
  { wa_id: 'canary' },
  { to: 'canary' },
  { recipient: 'canary' },
  { note: 'wamcp_live_canaryabcdefghijklmnopqrstu' },
  { note: 'Bearer canary' },
  { note: 'token=EAAcanary0123456789012345678901' },
  { note: '+4915112345678' },
  { list: ['4915112345678'] },
])('detail that would tell what was said, by whom, or a secret is refused: %j', (detail) => {
  expect(() => toRow(entry({ detail }), NOW)).toThrow(AuditRefused)
  try {
    toRow(entry({ detail }), NOW)
  } catch (error) {
    expect(String(error)).not.toMatch(/canary|4915112345678/)
  }
})

test('ids, references, hashes and counts pass', () => {
  const detail = {
    phone_number_id: '104857600000001',
    token_ref: 'secrets://wa_access_token_1',
    body_bytes: 12,
    rows: 3,
    // Base64 may hold anything, and so may hexadecimal digits.
    wamid: `wamid.HBgM/EAA${'x'.repeat(40)}==`,
    args_sha256: `eaa${'0'.repeat(61)}`,
  }
  expect(toRow(entry({ detail }), NOW).detail).toEqual(detail)
})

test('what callers choose is cut and made storable', () => {
  const row = toRow(entry({ tool: 'x'.repeat(10_000), requestId: 'a\0b\ud800', durationMs: 1.6 }), NOW)
  expect(row.tool).toHaveLength(200)
  expect(row.request_id).toBe('a\uFFFDb\uFFFD')
  expect(row.duration_ms).toBe(2)
})
