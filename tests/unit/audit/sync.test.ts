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

/** A host that has written for three hours, and an empty far side. */
function world() {
  const local = temporary()
  const month = join(local, '2027/01')
  mkdirSync(month, { recursive: true })
  const chain = new Chain(Date.now() - 3 * HOUR)
  const first = chain.close(month)
  const second = chain.close(month)
  const third = chain.close(month)
  const far = new FarSide()
  const said: string[] = []
  const sync = async (): Promise<SyncResult> =>
    syncAudit(new RemoteArchive(far), {
      segments: await readLocalSegments(local),
      progress: (line) => said.push(line),
    })
  const held = () => readdirSync(far.directory).sort()
  return { local, month, chain, first, second, third, far, said, sync, held }
}

test('everything goes over once, is signed, and is found whole there', async () => {
  const { sync, held, chain, month, said, first, second, third } = world()
  expect(await sync()).toEqual({
    sent: 3,
    archive: {
      ...{ segments: 3, rows: 9, restores: 0, pauses: 0 },
      ...{ newest: expect.any(String), age_seconds: expect.closeTo(3600, -2) },
    },
  })
  expect(said).toContain(`sending ${first.name} (1 of 3)`)
  const head = `head-9-${chain.head.hash.toString('hex').slice(0, 8)}.json`
  expect(held()).toEqual([first.name, second.name, third.name, head, `${head}.sig`])
  expect(await sync()).toMatchObject({ sent: 0 })
  expect(held()).toHaveLength(5)
  chain.close(month)
  expect(await sync()).toMatchObject({ sent: 1, archive: { rows: 12 } })
  expect(held()).toHaveLength(8)
})

test('a host that has closed nothing yet sends nothing, and that is no fault', async () => {
  const archive = new RemoteArchive(new FarSide())
  const said: string[] = []
  const progress = (line: string) => said.push(line)
  expect(await syncAudit(archive, { segments: [], progress })).toEqual({ sent: 0 })
  expect(said).toEqual(['asking the archive what it holds'])
})

test('cut off before any step, the next run completes it', async () => {
  // list, three segments, signature, head, verify
  for (let step = 1; step <= 7; step += 1) {
    const { sync, far, held } = world()
    let calls = 0
    far.before = () => {
      calls += 1
      if (calls === step) throw new Error('cut off')
    }
    await expect(sync()).rejects.toThrow('cut off')
    expect(await sync()).toMatchObject({ archive: { rows: 9 } })
    expect(held()).toHaveLength(5)
  }
})

test('a segment that differs over there is an alarm, and nothing more is sent', async () => {
  const { sync, far, held, chain, month, second } = world()
  await sync()
  const there = { ...second, path: join(far.directory, second.name) }
  chmodSync(there.path, 0o600)
  rewrite(there, (rows) => rows.map((row) => row.replace('"n":1', '"n":7')))
  const altered = readFileSync(there.path)
  chain.close(month)
  for (let run = 0; run < 2; run += 1) {
    await expect(sync()).rejects.toThrow(`the archive holds another ${second.name} than this host`)
  }
  expect(readFileSync(there.path)).toEqual(altered)
  expect(held()).toHaveLength(5)
})

test('a segment changed on this host after it was sent is the same alarm', async () => {
  const { sync, first } = world()
  await sync()
  rewrite(first, (rows) => rows.slice(1))
  await expect(sync()).rejects.toMatchObject({
    message: expect.stringContaining(`another ${first.name}`),
    next: expect.stringContaining('docs/operations/audit-archive.md'),
  })
})

test('a file that gets its name between the question and the answer is an alarm too', async () => {
  const { sync, far, first } = world()
  far.before = (verb) => {
    if (verb.startsWith('put')) writeFileSync(join(far.directory, first.name), 'another')
  }
  await expect(sync()).rejects.toThrow(`the archive holds another ${first.name} than this host`)
})

test('a chain that is broken on this host is not sent', async () => {
  const { sync, third, held } = world()
  rewrite(third, (rows) => rows.slice(0, 2))
  await expect(sync()).rejects.toThrow(`nothing was sent: ${third.name} ends at row 8 instead of 9`)
  expect(held()).toEqual([])
})

test('what does not continue what was sent before is not sent', async () => {
  const { sync, month, held } = world()
  await sync()
  const other = new Chain(Date.now())
  for (const n of [1, 2, 3]) other.close(temporary(), [{ n }, { n: 9 }])
  const { name } = other.close(month)
  await expect(sync()).rejects.toThrow(`nothing was sent: ${name}: row 10 does not continue row 9`)
  expect(held()).toHaveLength(5)
})

test('a fault that only the far side can see fails the job', async () => {
  const { sync, far, held } = world()
  await sync()
  rmSync(join(far.directory, held().at(-1) ?? ''))
  await expect(sync()).rejects.toThrow('the audit archive is not in order: head-9')
})

test('segments removed here stay there; one that the far side lost is filled in again', async () => {
  const { sync, far, first, second, held } = world()
  await sync()
  rmSync(first.path)
  expect(await sync()).toMatchObject({ sent: 0 })
  rmSync(join(far.directory, second.name))
  expect(await sync()).toMatchObject({ sent: 1 })
  expect(held()).toHaveLength(5)
})

test.each(['gone', 'still here'])(
  'after a restore it goes on in a branch; segments of before are %s',
  async (what) => {
    const { sync, month, chain, second, third } = world()
    const backup = chain.fork()
    const fourth = chain.close(month)
    await sync()
    if (what === 'gone') for (const { path } of [second, third, fourth]) rmSync(path)
    const back = backup.restore(0)
    back.close(month)
    expect(await sync()).toMatchObject({ sent: 1, archive: { rows: 16, restores: 1 } })
    back.hour = 3
    back.close(month)
    expect(await sync()).toMatchObject({ sent: 1, archive: { rows: 19, restores: 1 } })
  },
)

test('a chain that was rewritten on this host is told by the far side', async () => {
  const { sync, month, chain, third } = world()
  const forger = chain.fork()
  const fourth = chain.close(month)
  await sync()
  rmSync(fourth.path)
  forger.close(month, [{ n: 9 }])
  await expect(sync()).rejects.toThrow('row 10 is another one than before')
  expect(third.last).toBe(9)
})

test('only whole segments are looked at: no half one, no link, nothing else', async () => {
  const { local, month, first, second, third } = world()
  writeFileSync(join(month, `${third.name}.0a1b2c3d4e5f.tmp`), 'half')
  writeFileSync(join(local, third.name), 'misplaced')
  symlinkSync('/etc/passwd', join(month, 'audit-10-17-0a1b2c3d.ndjson.gz'))
  renameSync(month, join(local, '2027/02'))
  symlinkSync(join(local, '2027/02'), month)
  const found = await readLocalSegments(local)
  expect(found.map(({ name }) => name)).toEqual([first, second, third].map(({ name }) => name))
})
