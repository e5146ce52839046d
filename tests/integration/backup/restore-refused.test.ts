import { appendFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DUMP, HOST_FILES } from '../../../scripts/backup/layout.ts'
import { Refused } from '../../../scripts/lib/fail.ts'
import { checkFiles, Damaged, readToEnd } from '../../../scripts/restore/check.ts'
import { dropDatabase, restoreDatabase } from '../../../scripts/restore/database.ts'
import { planRestore } from '../../../scripts/restore/plan.ts'
import { proveRestore } from '../../../scripts/restore/prove.ts'
import { BESIDE, LIVE } from '../../../scripts/restore/swap.ts'
import { Secret } from '../../../secrets/secret.ts'
import { KEY } from './request.ts'
import { type RestoreStage, startRestoreStage } from './restore-stage.ts'
import { makeSample } from './sample.ts'
import { MISSING, startStandIn } from './stand-in.ts'

describe.skipIf(MISSING)(`a restore of what cannot be restored${MISSING && ` (${MISSING})`}`, () => {
  let stage: RestoreStage

  beforeAll(async () => {
    stage = await startRestoreStage()
  }, 120_000)
  beforeEach(() => stage.clear())
  afterAll(() => stage?.stop())

  test.each([0, 1, 5, 100, 1_000, 10_000, 0.5, 0.9, 0.999])('a dump cut to %d is refused', async (part) => {
    const length = part < 1 ? Math.floor(stage.intact.length * part) : part
    await truncate(stage.dump, length)
    await stage.fails(stage.restore(), Damaged, `has ${length} bytes instead of ${stage.intact.length}`)
    // Whoever made a manifest for it finds out as well.
    await stage.fails(readToEnd(stage.tools, stage.dump), Damaged, 'cannot be read to its end')
  })

  test('one bit, anywhere, is noticed', async () => {
    for (let n = 0; n < 20; n++) {
      const copy = Buffer.from(stage.intact)
      const place = Math.floor(Math.random() * copy.length)
      copy[place] = (copy[place] ?? 0) ^ (1 << (n % 8))
      await writeFile(stage.dump, copy)
      await stage.fails(stage.restore(), Damaged, 'its SHA-256 is not the manifest')
    }
  })

  test('a dump that was damaged before it was signed is Damaged too, and not Postgres’ fault', async () => {
    const copy = Buffer.from(stage.intact)
    copy.fill(0x55, Math.floor(copy.length * 0.6), Math.floor(copy.length * 0.7))
    await writeFile(stage.dump, copy)
    const { hashFile } = await import('../../../scripts/backup/write-hashed.ts')
    const sha256 = await hashFile(stage.dump)
    const files = stage.set.manifest.files.map((file) => (file.name === DUMP ? { ...file, sha256 } : file))
    await stage.fails(stage.restore({ ...stage.set.manifest, files }), Damaged, 'cannot be read to its end')
  })

  test('rows that differ from the manifest are named', async () => {
    const tables = stage.set.manifest.database.tables.map((table) =>
      table.name === 'messages' ? { ...table, rows: table.rows + 1 } : table,
    )
    const manifest = { ...stage.set.manifest, database: { ...stage.set.manifest.database, tables } }
    const { differences } = await stage.restore(manifest)
    expect(differences).toEqual(['messages has 204 rows instead of 205.'])
    await dropDatabase(stage.tools, BESIDE)
    const proof = proveRestore({
      tools: stage.tools,
      set: { ...stage.set, manifest },
      progress: () => {},
    })
    await stage.fails(proof, Damaged, 'is not what was backed up')
  })

  test('every file of a set is checked', async () => {
    await checkFiles(stage.set)
    const host = join(stage.set.directory, HOST_FILES)
    const before = await readFile(host)
    await appendFile(host, 'x')
    await expect(checkFiles(stage.set)).rejects.toThrow(
      `has ${before.length + 1} bytes instead of ${before.length}`,
    )
    await rm(host)
    await expect(checkFiles(stage.set)).rejects.toThrow('cannot be read (ENOENT)')
    await writeFile(host, before, { mode: 0o600 })
    await checkFiles(stage.set)
  })

  test('a dump without a line in the manifest, or too large for the disk, is refused', async () => {
    const files = stage.set.manifest.files.filter(({ name }) => name !== DUMP)
    await stage.fails(stage.restore({ ...stage.set.manifest, files }), Damaged, 'holds no database.dump')
    const small = await startStandIn({ room: '96m' })
    try {
      const huge = join(stage.directory, 'huge')
      await writeFile(huge, '')
      await truncate(huge, 20_000_000)
      const { hashFile } = await import('../../../scripts/backup/write-hashed.ts')
      const manifest = {
        ...stage.set.manifest,
        files: [{ name: DUMP, bytes: 20_000_000, sha256: await hashFile(huge) }],
      }
      await expect(restoreDatabase({ tools: small.tools('postgres'), dump: huge, manifest })).rejects.toThrow(
        Refused,
      )
    } finally {
      await small.remove()
    }
  })

  describe('the plan', () => {
    const plan = (o: { name?: string; key?: Secret; without?: string[] } = {}) =>
      planRestore({ tools: stage.tools, directory: stage.directory, key: KEY, jobs: stage.directory, ...o })

    test('says what would be done and changes nothing', async () => {
      const { plan: found } = await plan()
      expect(found).toMatchObject({
        set: stage.set.name,
        bytes: stage.intact.length,
        skipped: [],
        missing: [],
      })
      expect(found.estimated_seconds).toBeGreaterThan(0)
      expect(found.room?.needed).toBeGreaterThan(stage.intact.length)
      expect(found.databases.map(({ name }) => name)).toEqual([LIVE])
    })

    test('skips a newer set that is not ours, unless it was asked for', async () => {
      const newer = await makeSample(stage.standIn, stage.directory, new Date('2026-11-21T07:30:00Z'))
      try {
        expect((await plan()).plan.set).toBe(newer.name)
        expect((await plan({ without: [newer.name] })).plan.set).toBe(stage.set.name)
        const path = join(newer.directory, 'manifest.json')
        await writeFile(path, (await readFile(path, 'utf8')).replace('"host": "wa"', '"host": "evil"'))
        const { plan: older } = await plan()
        expect(older.set).toBe(stage.set.name)
        expect(older.skipped).toMatchObject([{ name: newer.name }])
        await expect(plan({ name: newer.name })).rejects.toThrow('was not signed with')
        await expect(plan({ name: '20200101T000000Z' })).rejects.toThrow(
          'there is no backup set 20200101T000000Z',
        )
      } finally {
        await rm(newer.directory, { recursive: true })
      }
    })

    test('refuses what another key has signed, a newer schema, and a Postgres that is away', async () => {
      await expect(plan({ key: new Secret('00'.repeat(32)) })).rejects.toThrow('was not signed with')
      const dead = { ...stage.tools, prefix: ['docker', 'exec', '-i', 'wa-test-nobody'] }
      const { plan: blind } = await planRestore({
        tools: dead,
        directory: stage.directory,
        key: KEY,
        jobs: stage.directory,
      })
      expect(blind.missing.join()).toContain('Postgres does not answer')
      expect((await stat(stage.dump)).size).toBe(stage.intact.length)
    })
  })
})
