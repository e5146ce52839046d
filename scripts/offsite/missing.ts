import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Secret } from '../../secrets/secret.ts'
import { type BackupSet, DUMP, listSets, MANIFEST, MEDIA_LIST, openSet } from '../backup/layout.ts'
import { type Held, mediaName, setFileName, whole } from './names.ts'
import { sealedBytes } from './seal.ts'

/** A file the far side lacks. */
export interface Missing {
  /** absolute path here */
  readonly path: string
  /** name there, without the number of an attempt */
  readonly name: string
  /** length there */
  readonly bytes: number
}

export interface MissingSet {
  readonly set: BackupSet
  /** in the order they are sent: the manifest last, as without it the set does not exist */
  readonly files: readonly (Missing & { readonly sealFirst: boolean; readonly sha256?: string })[]
}

/**
 * What the far side lacks of the sets of this host, newest set first.
 * @param directory that holds the sets
 * @param key the secret `backup_signing_key`
 * @returns sets that lack something, the names of those that lack nothing, and those that cannot be sent, with the reason
 */
export async function missingSets(
  directory: string,
  key: Secret,
  held: Held,
): Promise<{ missing: MissingSet[]; there: string[]; broken: string[] }> {
  const missing: MissingSet[] = []
  const there: string[] = []
  const broken: string[] = []
  for (const name of await listSets(directory)) {
    try {
      const set = await openSet(directory, name, key)
      const files = (await filesOf(set)).filter((file) => whole(held, file.name, file.bytes) === undefined)
      if (files.length > 0) missing.push({ set, files })
      else there.push(name)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      broken.push(`${name}: ${error.message}`)
    }
  }
  return { missing, there, broken }
}

async function filesOf({ name, directory, manifest }: BackupSet): Promise<MissingSet['files'][number][]> {
  const files = manifest.files.map(({ name: file, bytes, sha256 }) => ({
    path: join(directory, file),
    name: setFileName(name, file),
    bytes: file === DUMP ? sealedBytes(bytes) : bytes,
    sealFirst: file === DUMP,
    sha256,
  }))
  const path = join(directory, MANIFEST)
  const { size } = await stat(path)
  return [...files, { path, name: setFileName(name, MANIFEST), bytes: size, sealFirst: false }]
}

/**
 * What the far side lacks of a media snapshot.
 * @returns also the names of files that cannot be the server's
 */
export async function missingMedia(
  snapshot: string,
  held: Held,
): Promise<{ missing: Missing[]; there: number; foreign: string[] }> {
  const missing: Missing[] = []
  const foreign: string[] = []
  let there = 0
  for (const entry of await readdir(snapshot, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const place = relative(snapshot, path)
    if (!entry.isFile() || place === MEDIA_LIST) continue
    const name = mediaName(place)
    if (name === undefined) {
      foreign.push(place)
      continue
    }
    const bytes = sealedBytes((await stat(path)).size)
    if (whole(held, name, bytes)) there += 1
    else missing.push({ path, name, bytes })
  }
  return { missing, there, foreign }
}
