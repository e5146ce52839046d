import { setTimeout as sleep } from 'node:timers/promises'
import { figures } from '../backup/figures.ts'
import { differences, type Manifest } from '../backup/manifest.ts'
import { type PostgresTools, restore } from '../backup/postgres.ts'
import { openSession } from '../backup/session.ts'
import { Refused } from '../lib/fail.ts'
import { megabytes } from '../lib/words.ts'
import { checkDump, readToEnd } from './check.ts'
import { psql, runTool } from './psql.ts'
import { BESIDE, LIVE } from './swap.ts'

export interface RestoreOptions {
  /** Of the superuser, who alone may create databases. */
  readonly tools: PostgresTools
  /** A file on this machine. */
  readonly dump: string
  readonly manifest: Manifest
  /** Replaced if it is there; never the live one. Default {@link BESIDE}. */
  readonly into?: string
  /** Told what is being done. */
  readonly progress?: (line: string) => void
}

export interface RestoredDatabase {
  readonly database: string
  /** What it has otherwise than the manifest says, a sentence each; `[]` when it is what was backed up. */
  readonly differences: readonly string[]
}

/** Tables and indexes take so many times the room of the compressed dump; the dump lies beside them while it is read. */
const GROWTH = 9
/** The slowest disk that is waited for. */
const BYTES_PER_SECOND = 500_000

/**
 * Restores a dump into a database beside the live one, and compares what came back with the manifest. The roles must be
 * there; the server's own `migrate` makes them. Nothing but `into` is changed.
 *
 * @throws Refused when there is too little room
 * @throws Damaged when the file is not the one of the manifest, or pg_restore cannot read it to its end
 * @throws Fail when Postgres fails; in all three cases `into` is gone
 */
export async function restoreDatabase(o: RestoreOptions): Promise<RestoredDatabase> {
  const { tools, dump, manifest, into = BESIDE, progress = () => {} } = o
  if (into === LIVE) throw new Error('a backup is restored beside the live database, never into it')
  progress(`checking the dump of ${manifest.name}`)
  const { bytes } = await checkDump(dump, manifest)
  await dropDatabase(tools, into)
  await checkRoom(tools, bytes)
  const seconds = 120 + Math.ceil(bytes / BYTES_PER_SECOND)
  try {
    progress('restoring')
    await createDatabase(tools, into)
    await fill(tools, dump, into, seconds)
    progress('comparing with the manifest')
    const restored = { ...tools, database: into }
    const [found] = await Promise.all([figuresOf(restored, seconds), psql(restored, 'analyze', { seconds })])
    return { database: into, differences: differences(manifest.database, found) }
  } catch (error) {
    await dropDatabase(tools, into)
    throw error
  }
}

/** Removes a database together with whoever works in it; none is fine. */
export async function dropDatabase(tools: PostgresTools, name: string): Promise<void> {
  if (name === LIVE) throw new Error('the live database is never dropped')
  await runTool(tools, ['dropdb', '--username', tools.user, '--if-exists', '--force', '--', name], {
    seconds: 120,
  })
}

async function createDatabase(tools: PostgresTools, name: string): Promise<void> {
  const argv = ['createdb', '--username', tools.user, '--template', 'template0', '--', name]
  await runTool(tools, argv, { seconds: 120 }).catch(async () => {
    // A run that was killed may have left one of its own in the container, which has just finished.
    await sleep(2000)
    await dropDatabase(tools, name)
    await runTool(tools, argv, { seconds: 120 })
  })
  // Rights on the database itself are in no dump; the server's own `migrate` grants them again.
  const values = { name }
  await psql(tools, 'revoke all on database :"name" from public', { database: 'postgres', values })
}

/** Room on the file system of the database, in bytes. */
export interface Room {
  readonly needed: number
  readonly free: number
}

/** @param bytes of the dump */
export async function roomFor(tools: PostgresTools, bytes: number): Promise<Room> {
  const text = await runTool(tools, ['df', '-Pk', '/var/lib/postgresql'])
  const free = Number(text.trim().split('\n').at(-1)?.split(/\s+/)[3]) * 1024
  return { needed: bytes * (1 + GROWTH), free }
}

async function checkRoom(tools: PostgresTools, bytes: number): Promise<void> {
  const { needed, free } = await roomFor(tools, bytes)
  if (free >= needed) return
  throw new Refused(
    `the restore needs about ${megabytes(needed)} beside the live database, and ${megabytes(free)} are free`,
    { next: 'make room; databases kept by earlier restores: npx zx scripts/backups.ts plan-restore' },
  )
}

async function fill(tools: PostgresTools, dump: string, into: string, seconds: number): Promise<void> {
  try {
    await restore(tools, dump, into, { jobs: 2, seconds })
  } catch (error) {
    // A dump that can be read to its end is not to blame.
    await readToEnd(tools, dump, seconds)
    throw error
  }
}

async function figuresOf(tools: PostgresTools, seconds: number) {
  const session = openSession(tools, { seconds })
  const found = await figures(session)
  await session.end()
  return found
}
