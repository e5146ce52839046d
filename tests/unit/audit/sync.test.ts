import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readLocalSegments } from '../../../scripts/audit/local.ts'
import { RemoteArchive } from '../../../scripts/audit/remote.ts'
import { type SyncResult, syncAudit } from '../../../scripts/audit/sync.ts'
import { FarSide } from './far-side.ts'
import { Chain, rewrite, temporary } from './fixtures.ts'

const HOUR = 3_600_000

/** A host that has written for some hours, and an empty far side. */
function world(hours = 3) {
  const local = temporary()
  const month = join(local, '2027/01')
  const chain = new Chain(Date.now() - (hours - 1) * HOUR)
  const segments = Array.from({ length: hours }, () => chain.close(month))
  const far = new FarSide()
  const said: string[] = []
  const sync = async (restored = false): Promise<SyncResult> =>
    syncAudit(new RemoteArchive(far), {
      segments: await readLocalSegments(local),
      restored,
      progress: (line) => said.push(line),
    })
  const lines = () => readdirSync(far.directory)
  const held = (line = lines()[0] ?? '') => readdirSync(join(far.directory, line)).sort()
  return { local, month, chain, segments, far, said, sync, lines, held }
}

test('everything goes over once, is signed, and is found whole there', async () => {
  const { sync, held, chain, month, said, lines } = world()
  expect(await sync()).toEqual({
    sent: 3,
    line: lines()[0],
    archive: { lines: 1, rows: 9, newest: expect.any(String), age_seconds: expect.any(Number), pauses: 0 },
  })
  expect(said).toContain('sending audit-1-3.ndjson.gz (1 of 3)')
  const names = [
    'audit-1-3.ndjson.gz',
    'audit-4-6.ndjson.gz',
    'audit-7-9.ndjson.gz',
    'head-9.json',
    'head-9.json.sig',
  ]
  expect(held()).toEqual(names)
  expect(await sync()).toMatchObject({ sent: 0 })
  expect(held()).toEqual(names)
  chain.close(month)
  expect(await sync()).toMatchObject({ sent: 1, archive: { rows: 12 } })
  expect(held()).toHaveLength(8)
})

test('a host that has closed nothing yet sends nothing, and that is no fault', async () => {
  const { sync, lines } = world(0)
  mkdirSync(join(temporary(), '2027'))
  expect(await sync()).toEqual({ sent: 0 })
  expect(lines()).toEqual([])
})

test('cut off anywhere, the next run completes it', async () => {
  const { sync, far, held } = world()
  for (let at = 1; at < 9; at += 1) {
    let calls = 0
    far.before = (verb) => {
      calls += 1
      if (calls === at) throw new Error(`cut off at ${verb.split(' ')[0]}`)
    }
    await expect(sync()).rejects.toThrow('cut off')
  }
  far.before = () => undefined
  expect(await sync()).toMatchObject({ archive: { rows: 9 } })
  expect(held()).toHaveLength(5)
})

test('a segment that differs over there is an alarm, and nothing more is sent', async () => {
  const { sync, far, held, chain, month, segments } = world()
  const { line = '' } = await sync()
  const path = join(far.directory, line, segments[1]?.name ?? '')
  chmodSync(path, 0o600)
  rewrite({ path, name: '', first: 4, last: 6 }, (rows) => rows.map((row) => row.replace('"n":1', '"n":7')))
  const altered = readFileSync(path)
  chain.close(month)
  for (let run = 0; run < 2; run += 1) {
    await expect(sync()).rejects.toThrow(
      'the archive holds another audit-4-6.ndjson.gz than this host; nothing was sent',
    )
  }
  expect(readFileSync(path)).toEqual(altered)
  expect(held()).toHaveLength(5)
})

test('a segment changed on this host after it was sent is the same alarm', async () => {
  const { sync, segments } = world()
  await sync()
  rewrite(segments[0] ?? { path: '', name: '', first: 0, last: 0 }, (rows) => rows.slice(1))
  await expect(sync()).rejects.toMatchObject({
    message: expect.stringContaining('another audit-1-3.ndjson.gz'),
    next: expect.stringContaining('sync-audit.ts --restored'),
  })
})

test('a chain that is broken on this host is not sent', async () => {
  const { sync, segments, lines, held } = world()
  rewrite(segments[2] ?? { path: '', name: '', first: 0, last: 0 }, (rows) => rows.slice(0, 2))
  await expect(sync()).rejects.toThrow(
    'what would be sent is not one chain: audit-7-9.ndjson.gz ends at row 8',
  )
  expect(held(lines()[0])).toEqual([])
})

test('a fault that only the far side can see fails the job', async () => {
  const { sync, far } = world()
  const { line = '' } = await sync()
  rmSync(join(far.directory, line, 'head-9.json.sig'))
  await expect(sync()).rejects.toThrow('the audit archive is not whole: ')
})

test('segments removed here stay there; one that the far side lost is filled in again', async () => {
  const { sync, far, segments, held } = world()
  const { line = '' } = await sync()
  rmSync(segments[0]?.path ?? '')
  expect(await sync()).toMatchObject({ sent: 0 })
  rmSync(join(far.directory, line, segments[1]?.name ?? ''))
  expect(await sync()).toMatchObject({ sent: 1 })
  expect(held()).toHaveLength(5)
})

test('after a restore nothing is sent until the operator says so, then in a line of its own', async () => {
  const { sync, month, local, chain, lines, held, segments } = world(2)
  const before = chain.fork()
  chain.close(month)
  chain.close(month)
  await sync()
  // The host comes back with what a backup held, and goes on from there.
  for (const name of readdirSync(month)) rmSync(join(month, name))
  const back = new Chain(Date.now() - HOUR)
  before.hour = 3
  expect(segments).toHaveLength(2)
  before.close(month, [{ n: 5 }, { n: 6 }])
  expect(back.head.id).toBe(0)
  await expect(sync()).rejects.toMatchObject({ next: expect.stringContaining('--restored') })
  expect(lines()).toHaveLength(1)
  await new Promise((wake) => setTimeout(wake, 1_100))
  expect(await sync(true)).toMatchObject({ sent: 1, archive: { lines: 2 } })
  before.close(month)
  expect(await sync()).toMatchObject({ sent: 1, archive: { lines: 2 } })
  expect(held(lines()[1])).toContain('audit-10-12.ndjson.gz')
  expect(local).not.toBe('')
})

test('a database set back on the same host, whose older files are still there, is noticed as well', async () => {
  const { sync, month, chain, lines } = world(2)
  const before = chain.fork()
  chain.close(month)
  await sync()
  before.hour = 3
  // Longer than what was sent, so that no name is the same.
  before.close(month, [{ n: 5 }, { n: 6 }, { n: 7 }])
  await expect(sync()).rejects.toThrow('what would be sent is not one chain')
  await new Promise((wake) => setTimeout(wake, 1_100))
  expect(await sync(true)).toMatchObject({ sent: 1, archive: { lines: 2 } })
  expect(lines()).toHaveLength(2)
})

test('only whole segments are looked at: no half one, no link, nothing else', async () => {
  const { local, month, segments } = world(1)
  writeFileSync(join(month, 'audit-4-6.ndjson.gz.0a1b2c3d4e5f.tmp'), 'half')
  writeFileSync(join(local, 'audit-4-6.ndjson.gz'), 'misplaced')
  symlinkSync('/etc/passwd', join(month, 'audit-4-7.ndjson.gz'))
  renameSync(month, join(local, '2027/02'))
  symlinkSync(join(local, '2027/02'), month)
  const found = await readLocalSegments(local)
  expect(found.map(({ name }) => name)).toEqual([segments[0]?.name])
})
