import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Secret } from '../../secrets/secret.ts'
import { type Manifest, readManifest } from './manifest.ts'

/** Root's alone (0700): everything the server knows is in here. */
export const BACKUPS = '/var/lib/whatsapp-mcp/backups'
export const SETS = `${BACKUPS}/sets`
/** Hard-link snapshots of {@link MEDIA}. */
export const MEDIA_SNAPSHOTS = `${BACKUPS}/media`
/** The last run and the last success of every job. */
export const JOBS = '/var/lib/whatsapp-mcp/jobs'
/** The files the server stores; a file never changes once it has its name. */
export const MEDIA = '/var/lib/whatsapp-mcp/media'

export const DUMP = 'database.dump'
export const HOST_FILES = 'host.tar.age'
export const MANIFEST = 'manifest.json'
/** In a media snapshot: a line `<sha256>  <path>` per file, as `sha256sum --check` reads it. */
export const MEDIA_LIST = 'SHA256SUMS'

const SET_NAME = /^\d{8}T\d{6}Z$/
const WORKING = /^\.\d{8}T\d{6}Z\.\d+\.tmp$/

/** A set on this host. */
export interface BackupSet {
  readonly name: string
  /** absolute */
  readonly directory: string
  readonly manifest: Manifest
}

/** The name of a set made at this moment: UTC, so that names sort as the sets were made, `20261121T074605Z`. */
export function setName(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d+/g, '')
}

/** Whether a directory's name is one of {@link setName}, so that what is in it is whole. */
export function isSetName(name: string): boolean {
  return SET_NAME.test(name)
}

/** The moment a set's name says. @throws Error for a name that is none */
export function dateOf(name: string): Date {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(name)
  if (found === null) throw new Error(`${JSON.stringify(name)} is not the name of a backup set.`)
  const [, year, month, day, hour, minute, second] = found
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}

/** How old a set was at that moment, in seconds. */
export function ageOf(name: string, at = new Date()): number {
  return Math.round((at.getTime() - dateOf(name).getTime()) / 1000)
}

/** Names of the finished sets or snapshots in a directory, newest first; `[]` when there is no directory. */
export async function listSets(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.filter(isSetName).sort().reverse()
}

/**
 * Opens a set by its manifest. Its files are not looked at.
 * @param directory that holds the sets, e.g. {@link SETS}
 * @param key the secret `backup_signing_key`
 * @throws Error when there is no such set, or its manifest is not ours or belongs to another set
 */
export async function openSet(directory: string, name: string, key: Secret): Promise<BackupSet> {
  dateOf(name)
  const path = join(directory, name, MANIFEST)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === 'ENOENT'
        ? `There is no backup set ${name} in ${directory}. See: npx zx scripts/backups.ts list`
        : `${path} cannot be read (${error.code}).`,
    )
  })
  const manifest = readManifest(text, key)
  if (manifest.name !== name) throw new Error(`${path} is the manifest of ${manifest.name}, not of ${name}.`)
  return { name, directory: join(directory, name), manifest }
}

/**
 * Makes something in a private directory beside the finished ones. What a run that was killed left there goes first: it has a
 * name that no reader takes for a set. Only for the holder of the lock under which `directory` is written.
 * @param make gets its absolute path and ends with {@link publish}; when it throws, everything is removed
 */
export async function withWorkingDirectory<T>(
  directory: string,
  name: string,
  make: (working: string) => Promise<T>,
): Promise<T> {
  await removeAbandoned(directory)
  const working = join(directory, `.${name}.${process.pid}.tmp`)
  await mkdir(working, { mode: 0o700 })
  try {
    return await make(working)
  } catch (error) {
    await rm(working, { recursive: true, force: true })
    throw error
  }
}

/**
 * Gives a finished working directory its name, in one step and for good. Its files must be on disk already.
 * @throws Error when there is a set of this name: it is never replaced
 */
export async function publish(working: string, directory: string, name: string): Promise<void> {
  await syncDirectory(working)
  const final = join(directory, name)
  await rename(working, final).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    throw new Error(`${final} exists and is not replaced. Wait a second, then run this again.`)
  })
  await syncDirectory(directory)
}

/**
 * Removes a finished set. It loses its name first, so that one killed half-way leaves no damaged set.
 * @param name as {@link listSets} gives it
 */
export async function removeSet(directory: string, name: string): Promise<void> {
  dateOf(name)
  const doomed = join(directory, `.${name}.${process.pid}.tmp`)
  await rename(join(directory, name), doomed)
  await rm(doomed, { recursive: true })
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (WORKING.test(name)) await rm(join(directory, name), { recursive: true })
  }
}

/** A new name is durable once its directory is. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
