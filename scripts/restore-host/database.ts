import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { DUMP } from '../backup/layout.ts'
import { rowsOf } from '../backup/manifest.ts'
import { composePostgres } from '../backup/postgres.ts'
import { hashFile } from '../backup/write-hashed.ts'
import { messageOf } from '../lib/fail.ts'
import { COMPOSE } from '../lib/stack.ts'
import { COMPLETE_INIT, PSQL_FIRST } from '../lib/superuser.ts'
import { megabytes } from '../lib/words.ts'
import { bringOne } from '../offsite/bring.ts'
import type { Remote } from '../offsite/remote.ts'
import type { OpenIdentity } from '../offsite/seal.ts'
import { Damaged } from '../restore/check.ts'
import { migrateBeside, recordRestore } from '../restore/compose.ts'
import { dropDatabase, restoreDatabase } from '../restore/database.ts'
import { holdPending } from '../restore/hold.ts'
import { psql } from '../restore/psql.ts'
import { isKept, listDatabases, nextKeptName, swapDatabases } from '../restore/swap.ts'
import type { StoredFile } from './media.ts'
import type { Progress } from './phases.ts'
import { runProgram } from './program.ts'
import { BadSet, type OffsiteSet } from './sets.ts'
import { WORK } from './state.ts'

/** What came back. */
export interface RestoredRows {
  readonly rows: number
  /** messages that waited to be sent, and wait for the operator now */
  readonly held: number
  /** messages whose sending had begun: what became of them is not known */
  readonly unknown: number
}

/** The database alone, with its roles: nothing that listens to the world. */
export async function startPostgres(): Promise<void> {
  const compose = ['docker', ...COMPOSE]
  await runProgram([...compose, 'up', '--detach', '--wait', '--wait-timeout', '90', 'postgres'], {
    seconds: 120,
  })
  await runProgram([...compose, 'exec', '-T', 'postgres', ...PSQL_FIRST], {
    seconds: 30,
    input: Readable.from([COMPLETE_INIT]),
  })
  await runProgram([...compose, 'run', '--rm', '--no-deps', '-T', 'migrate'], { seconds: 120 })
}

/**
 * Brings the dump of a set and opens it, on its way to the disk.
 * @returns its path, which the caller removes
 * @throws BadSet when it cannot be opened, or is not the one of the manifest
 */
export async function bringDump(
  set: OffsiteSet,
  remote: Remote,
  identity: OpenIdentity,
  progress: Progress,
  directory: string = WORK,
): Promise<string> {
  const target = join(directory, DUMP)
  const expected = set.manifest.files.find(({ name }) => name === DUMP)
  const size = await stat(target).then(
    (found) => found.size,
    () => undefined,
  )
  if (size === expected?.bytes && (await hashFile(target)) === expected?.sha256) return target
  const bring = async (): Promise<{ sha256: string }> => {
    await rm(target, { force: true })
    const onBytes = (bytes: number) => progress(`${megabytes(bytes)} of ${megabytes(expected?.bytes ?? 0)}`)
    return bringOne(remote, 'sets', set.dump, target, { identity, onBytes })
  }
  const { sha256 } = await bring().catch(async (first: unknown) => {
    // A line that broke looks like a file that is cut off; so it is asked for once more.
    progress(`once more: ${messageOf(first)}`)
    return bring().catch(async (cause: unknown) => {
      // A far side that does not answer is not to blame on the set.
      await remote.list('sets')
      throw new BadSet(set.name, `the dump cannot be opened: ${messageOf(cause)}`, cause)
    })
  })
  if (sha256 === expected?.sha256) return target
  throw new BadSet(set.name, 'the dump was altered: its SHA-256 is not that of the manifest')
}

/**
 * Restores the dump beside the empty database of the new host, compares it with the manifest, holds what would be sent,
 * and puts it in place. Nothing works on the database meanwhile.
 * @throws BadSet when what came back is not what was backed up
 */
export async function restoreSet(set: OffsiteSet, dump: string, progress: Progress): Promise<RestoredRows> {
  const tools = composePostgres('postgres')
  const restored = await restoreDatabase({ tools, dump, manifest: set.manifest, progress }).catch(
    (error: unknown) => {
      throw error instanceof Damaged ? new BadSet(set.name, error.message, error) : error
    },
  )
  if (restored.differences.length > 0) {
    throw new BadSet(
      set.name,
      `what was restored differs from the manifest: ${restored.differences.join(' ')}`,
    )
  }
  progress('holding what was pending')
  const fresh = restored.database
  const { unknown } = await holdPending({ ...tools, database: fresh })
  // With those that were held already when the backup was made.
  const [[held] = []] = await psql(tools, `select count(*) from outbox where state = 'held'`, {
    database: fresh,
  })
  await migrateBeside(fresh)
  await swapDatabases({
    tools,
    fresh,
    keep: await nextKeptName(tools),
    note: `restored from ${set.name}`,
  })
  await recordRestore(set.name)
  return {
    rows: rowsOf(set.manifest),
    held: Number(held),
    unknown,
  }
}

/** The media files the restored database names. */
export async function storedFiles(): Promise<StoredFile[]> {
  const rows = await psql(
    composePostgres('postgres'),
    `select storage_path, size_bytes, encode(sha256, 'hex') from media_objects
     where status = 'stored' and storage_path is not null order by storage_path`,
    { seconds: 300 },
  )
  return rows.map(([place = '', bytes, sha256 = '']) => ({ place, bytes: Number(bytes), sha256 }))
}

/** What was swapped out was never in use: the empty database of the bootstrap. */
export async function dropEmpty(): Promise<void> {
  const tools = composePostgres('postgres')
  for (const { name } of await listDatabases(tools)) if (isKept(name)) await dropDatabase(tools, name)
}
