import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Secret } from '../../secrets/secret.ts'
import { DUMP, HOST_FILES, MANIFEST } from '../backup/layout.ts'
import { type Manifest, readManifest } from '../backup/manifest.ts'
import { byName, type Held, setFileName, setOfManifest, whole } from './names.ts'
import type { Remote, RemoteFile } from './remote.ts'
import { sealedBytes } from './seal.ts'

/** A set on the far side whose manifest is ours. */
export interface RemoteSet {
  readonly name: string
  readonly manifest: Manifest
  /** sealed; absent when it is missing or did not arrive whole */
  readonly dump?: RemoteFile
  /** sealed; absent when it is missing or did not arrive whole */
  readonly host?: RemoteFile
}

/** A set that cannot be used, and why, in a sentence. */
export interface BrokenSet {
  readonly name: string
  readonly problem: string
}

export interface RemoteSets {
  /** newest first; all files there and whole by their length */
  readonly complete: readonly (RemoteSet & Required<Pick<RemoteSet, 'dump' | 'host'>>)[]
  /** newest first */
  readonly broken: readonly BrokenSet[]
}

/** Names of the sets that have a manifest in this listing of `sets`, newest first. */
export function namesOfSets(held: Held): string[] {
  return [...held.keys()]
    .flatMap((name) => setOfManifest(name) ?? [])
    .sort()
    .reverse()
}

/**
 * The sets of the far side, each by its manifest.
 * @param key the secret `backup_signing_key`
 * @param only these names; default: all there are
 */
export async function remoteSets(remote: Remote, key: Secret, only?: readonly string[]): Promise<RemoteSets> {
  const held = byName(await remote.list('sets'))
  const names = namesOfSets(held).filter((name) => only?.includes(name) ?? true)
  const manifests = names.flatMap((name) => held.get(setFileName(name, MANIFEST)) ?? [])
  const directory = await mkdtemp(join(remote.privateDirectory, 'manifests-'))
  try {
    if (manifests.length > 0) await remote.fetch('sets', manifests, directory)
    const complete: (RemoteSet & { dump: RemoteFile; host: RemoteFile })[] = []
    const broken: BrokenSet[] = []
    for (const name of names) {
      const found = await read(name, held, directory, key)
      if ('problem' in found) broken.push(found)
      else if (found.dump === undefined) broken.push({ name, problem: `${DUMP} is not there whole.` })
      else if (found.host === undefined) broken.push({ name, problem: `${HOST_FILES} is not there whole.` })
      else complete.push({ ...found, dump: found.dump, host: found.host })
    }
    return { complete, broken }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** An attempt that broke off does not pass as a manifest; so the first that does is the one. */
async function read(
  name: string,
  held: Held,
  directory: string,
  key: Secret,
): Promise<RemoteSet | BrokenSet> {
  let problem = 'The manifest is missing.'
  for (const file of held.get(setFileName(name, MANIFEST)) ?? []) {
    try {
      const manifest = readManifest(await readFile(join(directory, file.name), 'utf8'), key)
      if (manifest.name === name) return { name, manifest, ...filesOf(manifest, held) }
      problem = `The manifest is of ${manifest.name}.`
    } catch (error) {
      if (!(error instanceof Error)) throw error
      problem = error.message
    }
  }
  return { name, problem }
}

function filesOf(manifest: Manifest, held: Held): Pick<RemoteSet, 'dump' | 'host'> {
  const find = (file: string): RemoteFile | undefined => {
    const bytes = manifest.files.find((it) => it.name === file)?.bytes
    if (bytes === undefined) return undefined
    return whole(held, setFileName(manifest.name, file), file === DUMP ? sealedBytes(bytes) : bytes)
  }
  const [dump, host] = [find(DUMP), find(HOST_FILES)]
  return { ...(dump && { dump }), ...(host && { host }) }
}
