import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type BackupSet, DUMP, MANIFEST } from '../../../scripts/backup/layout.ts'
import { formatManifest, type ManifestBody, signManifest } from '../../../scripts/backup/manifest.ts'
import { Refused } from '../../../scripts/lib/fail.ts'
import { Damaged } from '../../../scripts/restore/check.ts'
import type { Stack } from '../../../scripts/restore/compose.ts'
import { dropDatabase } from '../../../scripts/restore/database.ts'
import { dropKept, type RestoreRequest, restoreLive, undoRestore } from '../../../scripts/restore/run.ts'
import { BESIDE, LIVE, listDatabases, setNote } from '../../../scripts/restore/swap.ts'
import { KEY } from './request.ts'
import { addSample, makeSample } from './sample.ts'
import { MISSING, type StandIn, startStandIn } from './stand-in.ts'

describe.skipIf(MISSING)(`the live database put back to a set${MISSING && ` (${MISSING})`}`, () => {
  let standIn: StandIn
  let directory: string
  let older: BackupSet
  let newer: BackupSet
  const intact = new Map<string, Buffer>()
  /** What was asked of the containers, in order. */
  let asked: string[]
  let stack: Stack

  const tools = () => standIn.tools('postgres')
  const names = async () => (await listDatabases(tools())).map(({ name }) => name)
  const noteOf = async () => (await listDatabases(tools())).find(({ name }) => name === LIVE)?.note
  const go = (o: Partial<RestoreRequest> = {}) =>
    restoreLive({
      ...{ tools: tools(), stack, directory, key: KEY, jobs: directory },
      ...{ progress: () => {}, confirm: async () => {}, ...o },
    })
  /** Which of the two sets the live database is; `live` is neither. */
  async function content(): Promise<string | undefined> {
    const sql = standIn.open(LIVE)
    const [row] = await sql<{ it: string }[]>`select display_name as it from clients where name = 'desk'`
    await sql.end({ timeout: 1 })
    return row?.it
  }
  async function write(text: string): Promise<void> {
    const sql = standIn.open(LIVE)
    await sql`update clients set display_name = ${text} where name = 'desk'`
    await sql.end({ timeout: 1 })
  }
  const resign = async (set: BackupSet, change: (body: ManifestBody) => ManifestBody) => {
    const { mac: _, ...body } = set.manifest
    await writeFile(join(set.directory, MANIFEST), formatManifest(signManifest(change(body), KEY)))
  }
  const untouched = async () => {
    expect(await names()).toEqual([LIVE])
    expect(await content()).toBe('live')
  }

  beforeAll(async () => {
    standIn = await startStandIn()
    await addSample(standIn.sql)
    directory = await mkdtemp(join(tmpdir(), 'restore-live-'))
    await write('older')
    older = await makeSample(standIn, directory, new Date('2026-11-21T07:00:00Z'))
    await write('newer')
    newer = await makeSample(standIn, directory, new Date('2026-11-21T08:00:00Z'))
    for (const set of [older, newer])
      for (const file of [DUMP, MANIFEST]) {
        const path = join(set.directory, file)
        intact.set(path, await readFile(path))
      }
  }, 120_000)
  beforeEach(async () => {
    asked = []
    stack = {
      migrateBeside: async (database) =>
        void asked.push(`migrate ${(await standIn.migrate(database)).length}`),
      stopServer: async () => void asked.push('stop'),
      recordRestore: async (set) => void asked.push(`record ${set}`),
      startServer: async () => void asked.push('start'),
    }
    for (const [path, bytes] of intact) await writeFile(path, bytes)
    if (!(await names()).includes(LIVE)) await go()
    for (const name of await names()) if (name !== LIVE) await dropDatabase(tools(), name)
    await setNote(tools(), LIVE, '')
    await write('live')
    asked = []
  })
  afterAll(async () => {
    await standIn?.remove()
    await rm(directory, { recursive: true, force: true })
  })

  test('the newest is taken, and the live one kept; the server stops for the exchange alone', async () => {
    const plans: string[] = []
    const result = await go({ confirm: async ({ set }) => void plans.push(set) })
    expect(plans).toEqual([newer.name])
    expect(result).toMatchObject({ set: newer.name, held: 3, unknown: 1, fell_back_from: [], resumed: false })
    expect(asked).toEqual(['migrate 0', 'stop', `record ${newer.name}`, 'start'])
    expect(await content()).toBe('newer')
    expect(await names()).toEqual([LIVE, result.kept])
    expect(await noteOf()).toMatch(new RegExp(`^restored from ${newer.name} at 20`))
  })

  test('who says no has changed nothing', async () => {
    const confirm = async () => {
      throw new Refused('stopped at the prompt', { next: 'x' })
    }
    await expect(go({ confirm })).rejects.toThrow('stopped at the prompt')
    expect(asked).toEqual([])
    await untouched()
  })

  test.each([
    ['a dump that is cut', 'has 4000 bytes instead of', () => truncate(join(newer.directory, DUMP), 4_000)],
    [
      'a manifest that promises another row',
      'is not what was backed up',
      () =>
        resign(newer, (body) => ({
          ...body,
          database: {
            ...body.database,
            tables: body.database.tables.map((table) => ({ ...table, rows: table.rows + 1 })),
          },
        })),
    ],
    [
      'a manifest nobody signed',
      'The manifest is damaged',
      () => writeFile(join(newer.directory, MANIFEST), '{}'),
    ],
  ])('%s: the set before is taken, unless this one was named', async (_, message, damage) => {
    await damage()
    await expect(go({ name: newer.name })).rejects.toThrow(message)
    expect(asked).toEqual([])
    await untouched()
    const result = await go()
    expect(result).toMatchObject({ set: older.name, fell_back_from: [newer.name] })
    expect(await content()).toBe('older')
  })

  test('two damaged sets: it fails, and the live database is what it was', async () => {
    for (const set of [older, newer]) await truncate(join(set.directory, DUMP), 4_000)
    await expect(go()).rejects.toThrow('there is no backup set')
    expect(asked).toEqual([])
    await untouched()
  })

  test('a newer schema is refused before anything is done; so is what the installed server refuses', async () => {
    await resign(newer, (body) => ({ ...body, database: { ...body.database, migration: '9999_future' } }))
    await expect(go()).rejects.toThrow('It was made by a newer version (9999_future)')
    expect(asked).toEqual([])
    const refuses = async () => {
      throw new Refused('another version', { next: 'x' })
    }
    await writeFile(join(newer.directory, MANIFEST), intact.get(join(newer.directory, MANIFEST)) ?? '')
    await expect(go({ stack: { ...stack, migrateBeside: refuses } })).rejects.toThrow('another version')
    expect(asked).toEqual([])
    await untouched()
  })

  test('too little room is refused', async () => {
    await resign(newer, (body) => ({
      ...body,
      files: body.files.map((file) => (file.name === DUMP ? { ...file, bytes: 10 ** 14 } : file)),
    }))
    await expect(go()).rejects.toThrow(/It needs about [\d,.]+ MB, and/)
    await expect(go()).rejects.toBeInstanceOf(Refused)
    await untouched()
  })

  test('when the exchange fails, the server starts again on what it had', async () => {
    const stopServer = async () => {
      await dropDatabase(tools(), BESIDE)
      asked.push('stop')
    }
    await expect(go({ stack: { ...stack, stopServer } })).rejects.toThrow()
    expect(asked).toEqual(['migrate 0', 'stop', 'start'])
    await untouched()
  })

  test('killed after the exchange, the next run only finishes', async () => {
    const dies = async () => {
      throw new Error('killed')
    }
    await expect(go({ stack: { ...stack, startServer: dies } })).rejects.toThrow('killed')
    expect(await content()).toBe('newer')
    await write('written since')
    asked = []
    const result = await go()
    expect(result).toMatchObject({ set: newer.name, resumed: true, held: 3, unknown: 1 })
    expect(asked).toEqual([`record ${newer.name}`, 'start'])
    expect(await content()).toBe('written since')
    expect(result.kept).toBe((await names())[1])
    // Asked once more, it does it once more.
    expect(await go()).toMatchObject({ resumed: false })
    expect(await content()).toBe('newer')
  })

  test('another set than the unfinished one is a restore of its own', async () => {
    await setNote(tools(), LIVE, `restored from ${newer.name}, not started yet, before: wa_mcp_before_x`)
    expect(await go({ name: older.name })).toMatchObject({ set: older.name, resumed: false })
  })

  test('without a live database the set becomes it', async () => {
    const admin = standIn.open('postgres')
    await admin.unsafe(`alter database ${LIVE} rename to wa_mcp_gone`)
    await admin.end({ timeout: 1 })
    expect(await go()).toMatchObject({ set: newer.name, kept: null })
    expect(await content()).toBe('newer')
  })

  test('what was kept can be taken back, its sends held as well, and dropped in the end', async () => {
    await expect(undoRestore({ tools: tools(), stack, progress: () => {} })).rejects.toBeInstanceOf(Refused)
    // Both within a second, by the clock that names what is kept.
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { kept } = await go()
    asked = []
    const undone = await undoRestore({ tools: tools(), stack, progress: () => {} })
    expect(undone).toMatchObject({ taken: kept, held: 3, unknown: 1 })
    expect(asked).toEqual(['migrate 0', 'stop', 'start'])
    expect(await content()).toBe('live')
    expect(await dropKept({ tools: tools() })).toEqual([undone.kept])
    expect(await names()).toEqual([LIVE])
  })

  test('a set that was never there is not Damaged', async () => {
    const error = await go({ name: '20200101T000000Z' }).catch((reason: unknown) => reason)
    expect(error).not.toBeInstanceOf(Damaged)
    expect((error as Error).message).toContain('there is no backup set 20200101T000000Z')
  })
})
