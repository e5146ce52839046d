import { mkdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../../secrets/atomic.ts'
import type { Secret } from '../../secrets/secret.ts'
import { Fail, Refused } from '../lib/fail.ts'
import { makeDump } from './dump.ts'
import type { Facts } from './facts.ts'
import { sealHostFiles } from './host-files.ts'
import type { Progress } from './job.ts'
import {
  DUMP,
  HOST_FILES,
  listSets,
  MANIFEST,
  publish,
  removeAbandoned,
  removeSet,
  setName,
  workingDirectory,
} from './layout.ts'
import { formatManifest, type Manifest, signManifest } from './manifest.ts'
import type { PostgresTools } from './postgres.ts'
import { expired } from './retention.ts'

const LEAST_ROOM = 256 * 1024 * 1024

export interface SetRequest {
  /** connected as a role that sees every row */
  readonly tools: PostgresTools
  /** where sets are kept, e.g. SETS */
  readonly directory: string
  /** the secret `backup_signing_key` */
  readonly key: Secret
  /** the role `recovery`, age1… */
  readonly recipient: string
  /** publish a dump that is less than half of the one before */
  readonly allowShrink: boolean
  readonly facts: () => Promise<Facts>
  readonly progress: Progress
  /** where the host's own files are; default `/` */
  readonly root?: string
  readonly now?: Date
}

export interface MadeSet {
  readonly manifest: Manifest
  /** names of older sets that had their time */
  readonly removed: readonly string[]
}

/**
 * Makes a backup set: a dump and the figures it must restore to, the host's own files, and a manifest signed over both. It gets
 * its name in one step when everything in it was read back; until then, and when killed, no reader sees it. The caller holds
 * the lock `database`.
 * @throws {Refused} when there is too little room; {Fail} when a part fails, or the dump shrank by more than half
 */
export async function makeSet(o: SetRequest): Promise<MadeSet> {
  const from = performance.now()
  const created = o.now ?? new Date()
  const name = setName(created)
  await mkdir(o.directory, { recursive: true, mode: 0o700 })
  const abandoned = await removeAbandoned(o.directory)
  if (abandoned.length > 0) o.progress(`removed what ${abandoned.length} killed runs left behind`)
  const previous = await lastDumpBytes(o.directory)
  await checkRoom(o.directory, previous)
  const working = await workingDirectory(o.directory, name)
  try {
    o.progress('sealing the host’s own files')
    const facts = await o.facts()
    const host = await sealHostFiles(join(working, HOST_FILES), o.recipient, o)
    o.progress(`dumping ${o.tools.database}`)
    const dumped = await makeDump(o.tools, join(working, DUMP))
    if (!o.allowShrink) checkShrink(dumped.bytes, previous)
    const { database, media, ...dump } = dumped
    const manifest = signManifest(
      {
        version: 1,
        name,
        created: created.toISOString(),
        ...facts,
        seconds: Math.round(performance.now() - from) / 1000,
        database,
        files: [
          { name: DUMP, ...dump },
          { name: HOST_FILES, ...host },
        ],
        media,
      },
      o.key,
    )
    await writeAtomically(join(working, MANIFEST), formatManifest(manifest), 0o600)
    await publish(working, o.directory, name)
    return { manifest, removed: await prune(o.directory, name, o.progress) }
  } catch (error) {
    await rm(working, { recursive: true, force: true })
    throw error
  }
}

/** Only once a newer verified set has its name. */
async function prune(directory: string, made: string, progress: Progress): Promise<string[]> {
  const old = expired(await listSets(directory), made)
  for (const name of old) {
    progress(`removing ${name}, which had its time`)
    await removeSet(directory, name)
  }
  return old
}

async function lastDumpBytes(directory: string): Promise<number | undefined> {
  const [newest] = await listSets(directory)
  return newest === undefined ? undefined : (await stat(join(directory, newest, DUMP))).size
}

/** A full disk would take the database down with it. */
async function checkRoom(directory: string, previous = 0): Promise<void> {
  const needed = Math.max(LEAST_ROOM, 2 * previous)
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize >= needed) return
  throw new Refused(
    `${directory} has room for ${megabytes(bavail * bsize)}, and a backup wants ${megabytes(needed)} free`,
    { next: `make room on its file system: df -h ${directory}; du -xh --max-depth=2 /var | sort -h | tail` },
  )
}

function checkShrink(bytes: number, previous = 0): void {
  if (bytes * 2 >= previous) return
  throw new Fail(
    `the dump has ${megabytes(bytes)}, less than half of the one before (${megabytes(previous)}); it was thrown away`,
    { next: 'find out what was deleted; if all is well: npx zx scripts/backup-db.ts --allow-shrink' },
  )
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
