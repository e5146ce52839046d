import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../../secrets/atomic.ts'
import type { Secret } from '../../secrets/secret.ts'
import { Fail } from '../lib/fail.ts'
import { megabytes } from '../lib/words.ts'
import { makeDump } from './dump.ts'
import type { Facts } from './facts.ts'
import { sealHostFiles } from './host-files.ts'
import type { Progress } from './job.ts'
import { DUMP, HOST_FILES, listSets, MANIFEST, publish, setName, withWorkingDirectory } from './layout.ts'
import { formatManifest, type Manifest, signManifest } from './manifest.ts'
import type { PostgresTools } from './postgres.ts'
import { prune } from './prune.ts'
import { checkRoom } from './room.ts'

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
  return withWorkingDirectory(o.directory, name, async (working) => {
    const previous = await lastDumpBytes(o.directory)
    await checkRoom(o.directory, 2 * (previous ?? 0))
    const facts = o.facts()
    // When the dump fails nobody asks for them any more.
    facts.catch(() => undefined)
    o.progress(`dumping ${o.tools.database}`)
    const dumped = await makeDump(o.tools, join(working, DUMP))
    if (!o.allowShrink) checkShrink(dumped.bytes, previous)
    o.progress('sealing the host’s own files')
    // After the dump: a segment of the audit log that it refers to is among them, and one it does not know is not read.
    const host = await sealHostFiles(join(working, HOST_FILES), o.recipient, o)
    const { database, media, ...dump } = dumped
    const manifest = signManifest(
      {
        version: 1,
        name,
        created: created.toISOString(),
        ...(await facts),
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
  })
}

async function lastDumpBytes(directory: string): Promise<number | undefined> {
  const [newest] = await listSets(directory)
  if (newest === undefined) return undefined
  const found = await stat(join(directory, newest, DUMP)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
  return found?.size
}

function checkShrink(bytes: number, previous = 0): void {
  if (bytes * 2 >= previous) return
  throw new Fail(
    `the dump holds less than half of the one before (${megabytes(bytes)} instead of ${megabytes(previous)}); it was thrown away`,
    { next: 'find out what was deleted; if all is well: npx zx scripts/backup-db.ts --allow-shrink' },
  )
}
