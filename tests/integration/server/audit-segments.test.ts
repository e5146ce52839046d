import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { walk } from '../../../scripts/audit/chain.ts'
import { parseSegmentName } from '../../../scripts/audit/segment.ts'
import { appendAlone } from '../../../server/audit/append.ts'
import { toRow } from '../../../server/audit/entry.ts'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { type AuditStage, startAuditStage } from './audit-stage.ts'

let stage: AuditStage

beforeAll(async () => {
  stage = await startAuditStage()
})
beforeEach(() => stage.clear())
afterAll(() => stage?.stop())

test('a segment is a file anybody can check, closed with a heartbeat, and the next one continues it', async () => {
  await stage.record(3)
  const file = await stage.close()
  expect(file).toMatch(/^\d{4}\/\d{2}\/audit-1-4-[0-9a-f]{8}\.ndjson\.gz$/)
  expect((await stat(join(stage.dir, file))).mode & 0o777).toBe(0o640)
  const bytes = await readFile(join(stage.dir, file))
  const [noted] = await stage.db.sql<{ sha256: Buffer }[]>`select sha256 from audit_segments`
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

  expect(await stage.close()).toMatch(/audit-5-5-[0-9a-f]{8}\.ndjson\.gz$/)
  expect(await verifyAudit(stage.app, stage.dir)).toEqual({ ok: true, rows: 5, segments: 2, head: 5 })
  expect(await readdir(join(stage.dir, file, '..'))).toHaveLength(2)
})

test('old segments leave the table, and the chain is still checked over their files', async () => {
  await stage.record(3)
  const old = await stage.close()
  await stage.db.sql`update audit_segments set closed_at = now() - interval '91 days'`
  await stage.record(2)
  await stage.close()
  expect((await stage.db.sql`select min(id)::int as first from audit_log`)[0]?.first).toBe(5)
  expect(await verifyAudit(stage.app, stage.dir)).toEqual({ ok: true, rows: 3, segments: 2, head: 7 })

  await stage.db.sql`delete from audit_log where id = 5`
  expect(await stage.fault()).toContain('the first row is 6, and no segment ends at 5')
  await stage.db.sql`delete from audit_log`
  await stage.db
    .sql`update audit_head set (id, hash) = (select last_id, last_hash from audit_segments order by id limit 1)`
  expect(await stage.fault()).toContain('rows 5 to 7 are missing; a segment holds them')

  const path = join(stage.dir, old)
  const bytes = await readFile(path)
  await writeFile(path, Buffer.concat([bytes, Buffer.from('x')]))
  expect(await stage.fault(stage.dir)).toContain(`segment ${old} was changed: its SHA-256`)
  await rm(path)
  expect(await stage.fault(stage.dir)).toContain(`segment ${old} is missing in ${stage.dir}`)
  await writeFile(path, bytes)
})

test('a forged segment is found even when audit_segments was made to agree', async () => {
  await stage.record(3)
  const file = await stage.close()
  const forge = async (bytes: Buffer) => {
    await writeFile(join(stage.dir, file), bytes)
    await stage.db.sql`update audit_segments set sha256 = ${createHash('sha256').update(bytes).digest()}`
  }
  const { gzipSync } = await import('node:zlib')
  const text = gunzipSync(await readFile(join(stage.dir, file))).toString()
  await forge(gzipSync(text.replace('"request_id":"r1"', '"request_id":"r9"')))
  expect(await stage.fault(stage.dir)).toContain(`segment ${file}, row 2 was changed`)
  await forge(gzipSync(text.split('\n').slice(1).join('\n')))
  expect(await stage.fault(stage.dir)).toContain(`segment ${file}, row 1 is missing`)
  await forge(gzipSync(text.split('\n').slice(0, 2).join('\n').concat('\n')))
  expect(await stage.fault(stage.dir)).toContain(`segment ${file} ends at row 2 instead of 4`)
  await forge(gzipSync(text.slice(0, -2)))
  expect(await stage.fault(stage.dir)).toContain(`segment ${file} is not gzipped NDJSON`)
  await forge(gzipSync('null\n'))
  expect(await stage.fault(stage.dir)).toContain(`segment ${file} is not gzipped NDJSON`)
  await forge(Buffer.from(text))
  expect(await stage.fault(stage.dir)).toContain(`segment ${file} is not gzipped NDJSON`)
  await forge(gzipSync(text))
  await stage.db.sql`update audit_segments set last_hash = decode(repeat('ab', 32), 'hex')`
  expect(await stage.fault(stage.dir)).toContain('row 4 has another hash than audit_segments says')
  expect(await stage.fault()).toContain('row 4 has another hash than the segment that was closed with it')
  await stage.db.sql`update audit_segments set first_id = 2`
  expect(await stage.fault()).toContain('but 1 comes next: a segment is missing')
})

test('a disk that refuses leaves no segment and no half file; two processes cannot close the same stretch', async () => {
  await stage.record(1)
  await expect(stage.close('/dev/null/archive')).rejects.toThrow('ENOTDIR')
  // The file is open by then.
  const folder = join(stage.dir, new Date().toISOString().slice(0, 7).replace('-', '/'))
  await mkdir(folder, { recursive: true })
  const before = await readdir(folder)
  await stage.db.sql`revoke select on audit_log from wa_app`
  await expect(stage.close()).rejects.toThrow('permission denied')
  await stage.db.sql`grant select on audit_log to wa_app`
  expect(await readdir(folder)).toEqual(before)
  expect(await stage.db.sql`select 1 from audit_segments`).toHaveLength(0)
  const both = await Promise.allSettled([stage.close(), stage.close()])
  expect(both.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
  expect(await stage.fault(stage.dir)).toBeUndefined()
})

test('the reader on the other machine finds it whole, also after a backup was restored', async () => {
  const own = await mkdtemp(join(tmpdir(), 'audit-archive-'))
  onTestFinished(() => rm(own, { recursive: true }))
  const close = async () => {
    const name = await stage.close(own)
    const ids = parseSegmentName(basename(name))
    if (ids === undefined) throw new Error(`no name of a segment: ${name}`)
    return { name, path: join(own, name), ...ids }
  }
  await stage.record(3)
  const segments = [await close()]
  await stage.record(2)
  // The backup is taken between two segments.
  await stage.db.sql.unsafe(`create table saved_log as table audit_log; create table saved_head as table audit_head;
    create table saved_segments as table audit_segments`)
  await stage.record(2)
  segments.push(await close(), await close())
  await stage.db.sql.unsafe(`truncate audit_log, audit_segments; delete from audit_head; insert into audit_log overriding system value table saved_log;
    insert into audit_head overriding system value table saved_head; insert into audit_segments overriding system value table saved_segments;
    drop table saved_log, saved_head, saved_segments`)
  await appendAlone(stage.app, [
    toRow({ action: 'admin.audit.restored', outcome: 'ok', transport: 'cli' }, new Date()),
  ])
  await stage.record(1)
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
  expect(await verifyAudit(stage.app, own)).toMatchObject({ ok: true, segments: 2, head: 9 })
})
