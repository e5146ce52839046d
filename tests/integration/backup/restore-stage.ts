import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type BackupSet, DUMP } from '../../../scripts/backup/layout.ts'
import type { Manifest } from '../../../scripts/backup/manifest.ts'
import type { PostgresTools } from '../../../scripts/backup/postgres.ts'
import type { Refused } from '../../../scripts/lib/fail.ts'
import type { Damaged } from '../../../scripts/restore/check.ts'
import { dropDatabase, type RestoredDatabase, restoreDatabase } from '../../../scripts/restore/database.ts'
import { LIVE, listDatabases } from '../../../scripts/restore/swap.ts'
import type { Database } from '../../../server/db/pool.ts'
import { addSample, makeSample } from './sample.ts'
import { type StandIn, startStandIn } from './stand-in.ts'

/** A database with a backup set of it. */
export interface RestoreStage {
  readonly standIn: StandIn
  /** As the superuser. */
  readonly tools: PostgresTools
  /** Of the sets. */
  readonly directory: string
  readonly set: BackupSet
  /** The dump of `set`, and its bytes as they were made. */
  readonly dump: string
  readonly intact: Buffer
  restore(manifest?: Manifest): Promise<RestoredDatabase>
  /** Expects what must have gone wrong, and that nothing is left of the attempt. */
  fails(work: Promise<unknown>, kind: typeof Damaged | typeof Refused, message: string): Promise<void>
  /** Of all databases. */
  names(): Promise<string[]>
  /** Files that a restore forgot. */
  leftovers(): Promise<string>
  inside<T>(database: string, work: (sql: Database) => Promise<T>): Promise<T>
  /** The dump whole, and no database but the live one. */
  clear(): Promise<void>
  stop(): Promise<void>
}

export async function startRestoreStage(): Promise<RestoreStage> {
  const standIn = await startStandIn()
  await addSample(standIn.sql)
  const directory = await mkdtemp(join(tmpdir(), 'restore-sets-'))
  const set = await makeSample(standIn, directory, new Date('2026-11-21T07:00:00Z'))
  const dump = join(set.directory, DUMP)
  const intact = await readFile(dump)
  const tools = standIn.tools('postgres')
  const names = async () => (await listDatabases(tools)).map(({ name }) => name)
  const leftovers = async () => {
    const files = await standIn.exec('ls', '-A', '/var/lib/postgresql')
    return files
      .split('\n')
      .filter((name) => name.startsWith('.restore'))
      .join()
  }
  return {
    ...{ standIn, tools, directory, set, dump, intact, names, leftovers },
    restore: (manifest = set.manifest) => restoreDatabase({ tools, dump, manifest }),
    fails: async (work, kind, message) => {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(kind)
      expect((error as Error).message).toContain(message)
      expect(await names()).toEqual([LIVE])
      expect(await leftovers()).toBe('')
    },
    inside: async (database, work) => {
      const sql = standIn.open(database)
      return work(sql).finally(() => sql.end({ timeout: 1 }))
    },
    clear: async () => {
      await writeFile(dump, intact)
      for (const name of await names()) if (name !== LIVE) await dropDatabase(tools, name)
    },
    stop: async () => {
      await standIn.remove()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
