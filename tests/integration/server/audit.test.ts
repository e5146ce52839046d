import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { walk } from '../../../scripts/audit/chain.ts'
import { parseSegmentName } from '../../../scripts/audit/segment.ts'
import { appendAlone } from '../../../server/audit/append.ts'
import { closeAuditSegment } from '../../../server/audit/archive.ts'
import type { AuditEntry } from '../../../server/audit/audit.ts'
import { AuditRefused, toRow } from '../../../server/audit/entry.ts'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { createAudit } from '../../../server/audit/writer.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createLogger } from '../../../server/log.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { startDoor } from '../door.ts'

let db: TestDatabase
let app: Database
let dir: string
const log = createLogger('silent')
const connectApp = () => connect({ url: db.url, role: 'wa_app', password: PASSWORDS.app, max: 2 })

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  app = connectApp()
  dir = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-audit-'))
})
beforeEach(async () => {
  await db.sql`truncate audit_log, audit_segments`
  await db.sql`update audit_head set id = 0, hash = decode(repeat('00', 32), 'hex')`
})
afterAll(async () => {
  await app?.end({ timeout: 1 })
  await db?.drop()
  await rm(dir, { recursive: true, force: true })
})

const ENTRY: AuditEntry = { action: 'tool.call', outcome: 'ok', transport: 'http' }

/** So many entries, all at once, so that they share transactions. */
async function record(count: number, sql = app, entry: Partial<AuditEntry> = {}): Promise<void> {
  const audit = createAudit({ sql, log })
  await Promise.all(
    Array.from({ length: count }, (_, index) => audit.record({ ...ENTRY, requestId: `r${index}`, ...entry })),
  )
  await audit.close()
}
const fault = async (archive?: string) => {
  const verdict = await verifyAudit(app, archive)
  return verdict.ok ? undefined : verdict.fault
}

test('a row verifies after its way through the database, whatever is in it', async () => {
  await record(1, app, {
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
  expect(await verifyAudit(app)).toEqual({ ok: true, rows: 1, segments: 0, head: 1 })
})

test('entries of the same moment share a transaction and get ids without a gap, in order', async () => {
  await record(100)
  const [row] = await db.sql`
    select count(*)::int, max(id)::int as last, count(distinct xmin::text)::int as transactions from audit_log`
  expect(row).toEqual({ count: 100, last: 100, transactions: 1 })
  const rows = await db.sql<{ request_id: string }[]>`select request_id from audit_log order by id`
  expect(rows.map(({ request_id }) => request_id)).toEqual(
    Array.from({ length: 100 }, (_, index) => `r${index}`),
  )
})

test('several processes at once keep one chain', async () => {
  const processes = Array.from({ length: 4 }, connectApp)
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
  expect(await verifyAudit(app)).toEqual({ ok: true, rows: 320, segments: 0, head: 320 })
})

test('a failed write rejects everybody in the batch, writes nothing of it, and the next one goes on', async () => {
  const door = await startDoor(db.url)
  const sql = connect({ url: door.url, role: 'wa_app', password: PASSWORDS.app, max: 1 })
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
  expect(await verifyAudit(app)).toEqual({ ok: true, rows: 2, segments: 0, head: 2 })
})

test('what must not be kept is refused before it reaches the database, and alone', async () => {
  const audit = createAudit({ sql: app, log })
  const bad = audit.record({ ...ENTRY, detail: { body: 'canary' } })
  const good = audit.record(ENTRY)
  await expect(bad).rejects.toThrow(AuditRefused)
  await good
  await audit.close()
  const rows = await db.sql<{ row: string }[]>`select audit_log::text as row from audit_log`
  expect(rows).toHaveLength(1)
})

test('D4.7 the server’s role cannot change or remove what was recorded', async () => {
  await record(3)
  const denied = 'permission denied for table audit_log'
  await expect(app`update audit_log set outcome = 'ok'`).rejects.toThrow(denied)
  await expect(app`delete from audit_log`).rejects.toThrow(denied)
  await expect(app`truncate audit_log`).rejects.toThrow(denied)
  await expect(app`delete from audit_segments`).rejects.toThrow('permission denied')
  await expect(app`update audit_segments set last_id = 0`).rejects.toThrow('permission denied')
  // Neither by the function that prunes, nor by a segment it makes up.
  await app`insert into audit_segments (first_id, last_id, last_hash, file, sha256)
    values (1, 3, decode(repeat('00', 32), 'hex'), 'made-up', decode(repeat('00', 32), 'hex'))`
  expect((await app`select audit_prune('0 days'::interval)::int as rows`)[0]?.rows).toBe(0)
  await expect(
    app`insert into audit_segments (first_id, last_id, last_hash, file, sha256, closed_at)
      values (4, 4, '', 'backdated', '', now() - interval '1 year')`,
  ).rejects.toThrow('permission denied')
})

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
  await record(10)
  expect(await fault()).toBeUndefined()
  await db.sql.unsafe(tamper)
  const found = await fault()
  await db.sql`insert into audit_head (id, hash) values (0, decode(repeat('00', 32), 'hex')) on conflict do nothing`
  expect(found).toContain(expected)
})

test('a segment is a file anybody can check, closed with a heartbeat, and the next one continues it', async () => {
  await record(3)
  const file = await closeAuditSegment({ sql: app, dir, log })
  expect(file).toMatch(/^\d{4}\/\d{2}\/audit-1-4-[0-9a-f]{8}\.ndjson\.gz$/)
  expect((await stat(join(dir, file))).mode & 0o777).toBe(0o640)
  const bytes = await readFile(join(dir, file))
  const [noted] = await db.sql<{ sha256: Buffer }[]>`select sha256 from audit_segments`
  expect(createHash('sha256').update(bytes).digest()).toEqual(noted?.sha256)
  const lines = gunzipSync(bytes).toString().trimEnd().split('\n')
  expect(lines).toHaveLength(4)
  let previous = '00'.repeat(32)
  for (const line of lines) {
    const { prev_hash, hash, ...row } = JSON.parse(line)
    expect(prev_hash).toBe(previous)
    const text = JSON.stringify(row)
    const computed = createHash('sha256').update(Buffer.from(prev_hash, 'hex')).update(text).digest('hex')
    expect(hash).toBe(computed)
    previous = hash
  }
  expect(JSON.parse(lines[3] ?? '')).toMatchObject({ id: 4, action: 'audit.heartbeat', transport: 'system' })

  expect(await closeAuditSegment({ sql: app, dir, log })).toMatch(/audit-5-5-[0-9a-f]{8}\.ndjson\.gz$/)
  expect(await verifyAudit(app, dir)).toEqual({ ok: true, rows: 5, segments: 2, head: 5 })
  expect(await readdir(join(dir, file, '..'))).toHaveLength(2)
})

test('old segments leave the table, and the chain is still checked over their files', async () => {
  await record(3)
  const old = await closeAuditSegment({ sql: app, dir, log })
  await db.sql`update audit_segments set closed_at = now() - interval '91 days'`
  await record(2)
  await closeAuditSegment({ sql: app, dir, log })
  expect((await db.sql`select min(id)::int as first from audit_log`)[0]?.first).toBe(5)
  expect(await verifyAudit(app, dir)).toEqual({ ok: true, rows: 3, segments: 2, head: 7 })

  await db.sql`delete from audit_log where id = 5`
  expect(await fault()).toContain('the first row is 6, and no segment ends at 5')
  await db.sql`delete from audit_log`
  await db.sql`update audit_head set (id, hash) = (select last_id, last_hash from audit_segments order by id limit 1)`
  expect(await fault()).toContain('rows 5 to 7 are missing; a segment holds them')

  const path = join(dir, old)
  const bytes = await readFile(path)
  await writeFile(path, Buffer.concat([bytes, Buffer.from('x')]))
  expect(await fault(dir)).toContain(`segment ${old} was changed: its SHA-256`)
  await rm(path)
  expect(await fault(dir)).toContain(`segment ${old} is missing in ${dir}`)
  await writeFile(path, bytes)
})

test('a forged segment is found even when audit_segments was made to agree', async () => {
  await record(3)
  const file = await closeAuditSegment({ sql: app, dir, log })
  const forge = async (bytes: Buffer) => {
    await writeFile(join(dir, file), bytes)
    await db.sql`update audit_segments set sha256 = ${createHash('sha256').update(bytes).digest()}`
  }
  const { gzipSync } = await import('node:zlib')
  const text = gunzipSync(await readFile(join(dir, file))).toString()
  await forge(gzipSync(text.replace('"request_id":"r1"', '"request_id":"r9"')))
  expect(await fault(dir)).toContain(`segment ${file}, row 2 was changed`)
  await forge(gzipSync(text.split('\n').slice(1).join('\n')))
  expect(await fault(dir)).toContain(`segment ${file}, row 1 is missing`)
  await forge(gzipSync(text.split('\n').slice(0, 2).join('\n').concat('\n')))
  expect(await fault(dir)).toContain(`segment ${file} ends at row 2 instead of 4`)
  await forge(gzipSync(text.slice(0, -2)))
  expect(await fault(dir)).toContain(`segment ${file} is not gzipped NDJSON`)
  await forge(gzipSync('null\n'))
  expect(await fault(dir)).toContain(`segment ${file} is not gzipped NDJSON`)
  await forge(Buffer.from(text))
  expect(await fault(dir)).toContain(`segment ${file} is not gzipped NDJSON`)
  await forge(gzipSync(text))
  await db.sql`update audit_segments set last_hash = decode(repeat('ab', 32), 'hex')`
  expect(await fault(dir)).toContain('row 4 has another hash than audit_segments says')
  expect(await fault()).toContain('row 4 has another hash than the segment that was closed with it')
  await db.sql`update audit_segments set first_id = 2`
  expect(await fault()).toContain('but 1 comes next: a segment is missing')
})

test('thousands of rows are archived and verified page by page', async () => {
  await record(4_500)
  expect(await closeAuditSegment({ sql: app, dir, log })).toContain('audit-1-4501')
  expect(await verifyAudit(app, dir)).toEqual({ ok: true, rows: 4_501, segments: 1, head: 4_501 })
  await db.sql`update audit_log set action = 'x' where id = 4001`
  expect(await fault()).toContain('row 4001 was changed')
})

test('a database that has lost the end of the chain accepts nothing more', async () => {
  await db.sql`delete from audit_head`
  const lost = record(1)
  await expect(lost).rejects.toThrow('audit_head is empty')
  await db.sql`insert into audit_head (id, hash) values (0, decode(repeat('00', 32), 'hex'))`
})

test('a disk that refuses leaves no segment and no half file; two processes cannot close the same stretch', async () => {
  await record(1)
  await expect(closeAuditSegment({ sql: app, dir: '/dev/null/archive', log })).rejects.toThrow('ENOTDIR')
  // The file is open by then.
  const folder = join(dir, new Date().toISOString().slice(0, 7).replace('-', '/'))
  await mkdir(folder, { recursive: true })
  const before = await readdir(folder)
  await db.sql`revoke select on audit_log from wa_app`
  await expect(closeAuditSegment({ sql: app, dir, log })).rejects.toThrow('permission denied')
  await db.sql`grant select on audit_log to wa_app`
  expect(await readdir(folder)).toEqual(before)
  expect(await db.sql`select 1 from audit_segments`).toHaveLength(0)
  const both = await Promise.allSettled([
    closeAuditSegment({ sql: app, dir, log }),
    closeAuditSegment({ sql: app, dir, log }),
  ])
  expect(both.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
  expect(await fault(dir)).toBeUndefined()
})

test('the reader on the other machine finds it whole, also after a backup was restored', async () => {
  const own = await mkdtemp(join(tmpdir(), 'audit-archive-'))
  onTestFinished(() => rm(own, { recursive: true }))
  const close = async () => {
    const name = await closeAuditSegment({ sql: app, dir: own, log })
    const ids = parseSegmentName(basename(name))
    if (ids === undefined) throw new Error(`no name of a segment: ${name}`)
    return { name, path: join(own, name), ...ids }
  }
  await record(3)
  const segments = [await close()]
  await record(2)
  // The backup is taken between two segments.
  await db.sql.unsafe(`create table saved_log as table audit_log; create table saved_head as table audit_head;
    create table saved_segments as table audit_segments`)
  await record(2)
  segments.push(await close(), await close())
  await db.sql.unsafe(`truncate audit_log, audit_segments; delete from audit_head; insert into audit_log overriding system value table saved_log;
    insert into audit_head overriding system value table saved_head; insert into audit_segments overriding system value table saved_segments;
    drop table saved_log, saved_head, saved_segments`)
  await appendAlone(app, [
    toRow({ action: 'admin.audit.restored', outcome: 'ok', transport: 'cli' }, new Date()),
  ])
  await record(1)
  segments.push(await close())
  expect(segments.map(({ first, last }) => [first, last])).toEqual([
    ...[
      [1, 4],
      [5, 9],
      [10, 10],
    ],
    [5, 9],
  ])
  const walked = await walk(segments)
  expect(walked).toMatchObject({ complete: true, faults: [], rows: 13, restores: [7] })
  expect(walked.tips.map(({ id }) => id)).toEqual([9, 10])
  expect(walked.heartbeats).toHaveLength(4)
  expect(await verifyAudit(app, own)).toMatchObject({ ok: true, segments: 2, head: 9 })
})
