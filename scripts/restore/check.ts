import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type BackupSet, DUMP } from '../backup/layout.ts'
import type { Manifest } from '../backup/manifest.ts'
import { type PostgresTools, readThrough } from '../backup/postgres.ts'
import { hashFile } from '../backup/write-hashed.ts'
import { Fail } from '../lib/fail.ts'

/** The set is not what was backed up; another one may be. */
export class Damaged extends Fail {
  constructor(message: string, output?: string) {
    super(message, { next: 'take another set: npx zx scripts/backups.ts list', output })
  }
}

/**
 * Whether every file of a set is the one its manifest describes.
 * @throws Damaged naming the first that is not
 */
export async function checkFiles(
  { directory, manifest }: BackupSet,
  except: readonly string[] = [],
): Promise<void> {
  for (const { name } of manifest.files)
    if (!except.includes(name)) await checkFile(join(directory, name), name, manifest)
}

/**
 * Whether a file is the one of this name in a manifest, by length and SHA-256.
 * @throws Damaged when it is not
 */
export async function checkFile(path: string, name: string, manifest: Manifest): Promise<{ bytes: number }> {
  const expected = manifest.files.find((file) => file.name === name)
  if (expected === undefined) throw new Damaged(`the set ${manifest.name} holds no ${name}`)
  const bytes = await stat(path).then(
    (found) => found.size,
    (error: NodeJS.ErrnoException) => {
      throw new Damaged(`${name} of ${manifest.name} cannot be read (${error.code})`)
    },
  )
  if (bytes !== expected.bytes)
    throw new Damaged(`${name} of ${manifest.name} has ${bytes} bytes instead of ${expected.bytes}`)
  if ((await hashFile(path)) !== expected.sha256)
    throw new Damaged(`${name} of ${manifest.name} was altered: its SHA-256 is not the manifest's`)
  return { bytes }
}

/** As {@link checkFile}, for the dump. */
export function checkDump(path: string, manifest: Manifest): Promise<{ bytes: number }> {
  return checkFile(path, DUMP, manifest)
}

/**
 * Lets pg_restore read a whole dump, and throw away what it reads.
 * @throws Damaged when it cannot
 */
export async function readToEnd(tools: PostgresTools, dump: string, seconds = 3600): Promise<void> {
  const reader = readThrough(tools, { seconds })
  reader.stdout.resume()
  // It may stop reading before the end; its exit code tells why.
  const fed = pipeline(createReadStream(dump), reader.stdin).catch(() => undefined)
  await reader.done.catch((cause: Fail) => {
    throw new Damaged(`${dump} cannot be read to its end`, cause.output)
  })
  await fed
}
