import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { AuditRefused } from '../../../server/audit/entry.ts'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { createAudit } from '../../../server/audit/writer.ts'
import { startDoor } from '../door.ts'
import { type AuditStage, ENTRY, log, startAuditStage } from './audit-stage.ts'

let stage: AuditStage

beforeAll(async () => {
  stage = await startAuditStage()
})
beforeEach(() => stage.clear())
afterAll(() => stage?.stop())

test('a row verifies after its way through the database, whatever is in it', async () => {
  await stage.record(1, {
    action: 'message.sent',
    clientId: '0193d3a0-0000-7000-8000-000000000001',
    keyId: '0193d3a0-0000-7000-8000-000000000002',
    tool: 'ünknown "tool" \u{1F600}\0',
    phoneNumberId: '104857600000001',
    errorClass: 'rate_limited',
    errorCode: '131047',
    durationMs: 12.5,
    ip: '2001:db8::1',
    detail: { z: 1, a: { y: [0.1, 1e21, 1e-7, -0, true, null], b: 'ü\0\ud800' }, Z: '' },
  })
  expect(await verifyAudit(stage.app)).toEqual({ ok: true, rows: 1, segments: 0, head: 1 })
})

test('entries of the same moment share a transaction and get ids without a gap, in order', async () => {
  await stage.record(100)
  const [row] = await stage.db.sql`
    select count(*)::int, max(id)::int as last, count(distinct xmin::text)::int as transactions from audit_log`
  expect(row).toEqual({ count: 100, last: 100, transactions: 1 })
  const rows = await stage.db.sql<{ request_id: string }[]>`select request_id from audit_log order by id`
  expect(rows.map(({ request_id }) => request_id)).toEqual(
    Array.from({ length: 100 }, (_, index) => `r${index}`),
  )
})

test('several processes at once keep one chain', async () => {
  const processes = Array.from({ length: 4 }, () => stage.connect())
  await Promise.all(
    processes.map(async (sql, process) => {
      const audit = createAudit({ sql, log })
      const caller = async () => {
        for (let index = 0; index < 10; index += 1) await audit.record({ ...ENTRY, requestId: `p${process}` })
      }
      await Promise.all(Array.from({ length: 8 }, caller))
      await audit.close()
    }),
  )
  await Promise.all(processes.map((sql) => sql.end()))
  expect(await verifyAudit(stage.app)).toEqual({ ok: true, rows: 320, segments: 0, head: 320 })
})

test('a failed write rejects everybody in the batch, writes nothing of it, and the next one goes on', async () => {
  const door = await startDoor(stage.db.url)
  const sql = stage.connect(door.url, 1)
  const audit = createAudit({ sql, log })
  await audit.record(ENTRY)
  await door.shut()
  const lost = await Promise.allSettled([audit.record(ENTRY), audit.record(ENTRY)])
  expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await door.open()
  await expect
    .poll(
      () =>
        audit.record(ENTRY).then(
          () => true,
          () => false,
        ),
      { timeout: 5_000 },
    )
    .toBe(true)
  await audit.close()
  await sql.end({ timeout: 1 })
  await door.shut()
  expect(await verifyAudit(stage.app)).toEqual({ ok: true, rows: 2, segments: 0, head: 2 })
})

test('what must not be kept is refused before it reaches the database, and alone', async () => {
  const audit = createAudit({ sql: stage.app, log })
  const bad = audit.record({ ...ENTRY, detail: { body: 'canary' } })
  const good = audit.record(ENTRY)
  await expect(bad).rejects.toThrow(AuditRefused)
  await good
  await audit.close()
  const rows = await stage.db.sql<{ row: string }[]>`select audit_log::text as row from audit_log`
  expect(rows).toHaveLength(1)
})

test('D4.7 the server’s role cannot change or remove what was recorded', async () => {
  await stage.record(3)
  const denied = 'permission denied for table audit_log'
  await expect(stage.app`update audit_log set outcome = 'ok'`).rejects.toThrow(denied)
  await expect(stage.app`delete from audit_log`).rejects.toThrow(denied)
  await expect(stage.app`truncate audit_log`).rejects.toThrow(denied)
  await expect(stage.app`delete from audit_segments`).rejects.toThrow('permission denied')
  await expect(stage.app`update audit_segments set last_id = 0`).rejects.toThrow('permission denied')
  // Neither by the function that prunes, nor by a segment it makes up.
  await stage.app`insert into audit_segments (first_id, last_id, last_hash, file, sha256)
    values (1, 3, decode(repeat('00', 32), 'hex'), 'made-up', decode(repeat('00', 32), 'hex'))`
  expect((await stage.app`select audit_prune('0 days'::interval)::int as rows`)[0]?.rows).toBe(0)
  await expect(
    stage.app`insert into audit_segments (first_id, last_id, last_hash, file, sha256, closed_at)
      values (4, 4, '', 'backdated', '', now() - interval '1 year')`,
  ).rejects.toThrow('permission denied')
})

test('a database that has lost the end of the chain accepts nothing more', async () => {
  await stage.db.sql`delete from audit_head`
  const lost = stage.record(1)
  await expect(lost).rejects.toThrow('audit_head is empty')
})
