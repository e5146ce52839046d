import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { type AuditStage, startAuditStage } from './audit-stage.ts'

let stage: AuditStage

beforeAll(async () => {
  stage = await startAuditStage()
})
beforeEach(() => stage.clear())
afterAll(() => stage?.stop())

test.each([
  [
    'a changed field',
    `update audit_log set outcome = 'refused' where id = 5`,
    'row 5 was changed: its hash does not match',
  ],
  ['a changed detail', `update audit_log set detail = '{"a":1}' where id = 5`, 'row 5 was changed'],
  [
    'a moment moved by a microsecond',
    `update audit_log set ts = ts + interval '1 us' where id = 5`,
    'row 5 was changed',
  ],
  ['a removed row', `delete from audit_log where id = 5`, 'row 5 is missing: 4 is followed by 6'],
  [
    'the beginning removed',
    `delete from audit_log where id < 3`,
    'the first row is 3, and no segment ends at 2',
  ],
  ['the end removed', `delete from audit_log where id > 8`, 'the last row is 8, but audit_head says 10'],
  ['everything removed', `delete from audit_log`, 'the first row is 11, and no segment ends at 10'],
  [
    'two rows swapped',
    `update audit_log a set request_id = b.request_id from audit_log b where (a.id, b.id) in ((4, 5), (5, 4))`,
    'row 4 was changed',
  ],
  [
    'a row whose hash was computed anew',
    `update audit_log set hash = decode(repeat('ab', 32), 'hex') where id = 5`,
    'row 5 was changed',
  ],
  [
    'a link to another row',
    `update audit_log set prev_hash = decode(repeat('ab', 32), 'hex') where id = 5`,
    'row 5 does not continue from row 4',
  ],
  [
    'a head with another hash',
    `update audit_head set hash = decode(repeat('ab', 32), 'hex')`,
    'audit_head has another hash than its row 10',
  ],
  ['no head', `delete from audit_head`, 'audit_head is empty'],
])('verify names the first fault: %s', async (_, tamper, expected) => {
  await stage.record(10)
  expect(await stage.fault()).toBeUndefined()
  await stage.db.sql.unsafe(tamper)
  const found = await stage.fault()
  expect(found).toContain(expected)
})

test('thousands of rows are archived and verified page by page', async () => {
  await stage.record(4_500)
  expect(await stage.close()).toContain('audit-1-4501')
  expect(await verifyAudit(stage.app, stage.dir)).toEqual({ ok: true, rows: 4_501, segments: 1, head: 4_501 })
  await stage.db.sql`update audit_log set action = 'x' where id = 4001`
  expect(await stage.fault()).toContain('row 4001 was changed')
})
