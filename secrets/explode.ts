import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CONSUMERS, type Consumer, SECRET_NAME, type SecretName, specOf } from './schema.ts'
import type { Secret } from './secret.ts'

const ROOT_MODE = 0o700
const CONSUMER_MODE = 0o750
const FILE_MODE = 0o640
const TEMPORARY = /^\.[a-z0-9_]+\.[0-9a-f]{12}\.tmp$/

export interface ExplodeOptions {
  /** `false` leaves owners as they are, for use without root. Default `true`. */
  readonly chown?: boolean
}

interface Wanted {
  /** relative to the directory: `app/wa_app_secret` */
  readonly name: string
  readonly path: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

interface WantedFile extends Wanted {
  readonly value: Secret
}

/** What is to be done, each with the difference in words; values are never part of them. */
interface Plan {
  readonly directories: readonly (Wanted & { readonly difference: string | undefined })[]
  readonly files: readonly (WantedFile & { readonly difference: string | undefined })[]
  readonly leftOver: readonly { readonly name: string; readonly path: string }[]
}

/**
 * Compares the exploded secrets with what they should be; touches nothing.
 * @returns the differences in words, `[]` when there are none
 * @throws Error when `dir` holds something that is not ours
 */
export async function inspectExploded(
  values: ReadonlyMap<SecretName, Secret>,
  dir: string,
  o: ExplodeOptions = {},
): Promise<string[]> {
  const { directories, files, leftOver } = await plan(values, dir, o)
  return [
    ...[...directories, ...files].flatMap(({ difference }) => difference ?? []),
    ...leftOver.map(({ name }) => `${name} is left over`),
  ]
}

/**
 * Writes one file per secret and consumer: `dir` 0700, a directory per consumer 0750, files 0640, both readable by the
 * consumer's group. Directories are kept and files renamed into place, because a running container sees the directory
 * it was started with. Every file is written before the first is put in place, so a failure leaves the old ones.
 * @returns names that were written and removed; a second run returns none
 * @throws Error when `dir` holds something that is not ours, or owners cannot be set
 */
export async function explode(
  values: ReadonlyMap<SecretName, Secret>,
  dir: string,
  o: ExplodeOptions = {},
): Promise<{ written: string[]; removed: string[] }> {
  if (o.chown !== false && process.getuid?.() !== 0) {
    throw new Error(
      'Only root can give secrets to their containers. Run as root, or with --no-chown for yourself.',
    )
  }
  const { directories, files, leftOver } = await plan(values, dir, o)
  for (const directory of directories) if (directory.difference) await establish(directory, o)
  const stale = files.filter(({ difference }) => difference)
  const ready: { temporary: string; path: string }[] = []
  try {
    for (const file of stale) ready.push({ temporary: await writeBeside(file, o), path: file.path })
    for (const { temporary, path } of ready) await rename(temporary, path)
  } catch (error) {
    await Promise.all(ready.map(({ temporary }) => rm(temporary, { force: true })))
    throw error
  }
  for (const { path } of leftOver) await rm(path)
  return { written: stale.map(({ name }) => name), removed: leftOver.map(({ name }) => name) }
}

async function plan(values: ReadonlyMap<SecretName, Secret>, dir: string, o: ExplodeOptions): Promise<Plan> {
  const consumers = Object.entries(CONSUMERS) as [Consumer, { gid: number }][]
  await refuseForeign(
    dir,
    consumers.map(([consumer]) => consumer),
  )
  const root = { uid: 0, gid: 0 }
  const directories: Wanted[] = [{ name: '.', path: dir, mode: ROOT_MODE, ...root }]
  const files: WantedFile[] = []
  const leftOver: Plan['leftOver'][number][] = []
  for (const [consumer, { gid }] of consumers) {
    const home = join(dir, consumer)
    directories.push({ name: consumer, path: home, mode: CONSUMER_MODE, uid: 0, gid })
    const readable = [...values].filter(([name]) => specOf(name).consumers.includes(consumer))
    for (const [name, value] of readable) {
      files.push({ name: `${consumer}/${name}`, path: join(home, name), mode: FILE_MODE, uid: 0, gid, value })
    }
    for (const name of await listOwn(home)) {
      if (!readable.some(([wanted]) => wanted === name))
        leftOver.push({ name: `${consumer}/${name}`, path: join(home, name) })
    }
  }
  return {
    directories: await Promise.all(
      directories.map(async (it) => ({ ...it, difference: await differing(it, o) })),
    ),
    files: await Promise.all(
      files.map(async (it) => ({ ...it, difference: await differing(it, o, it.value) })),
    ),
    leftOver,
  }
}

/** Left-over files are removed, so a mistaken `--dir /etc` must be noticed before anything is. */
async function refuseForeign(dir: string, consumers: readonly string[]): Promise<void> {
  for (const name of await list(dir)) {
    if (consumers.includes(name) && (await lstat(join(dir, name))).isDirectory()) continue
    throw new Error(`${join(dir, name)} is not ours. Name an empty directory, or one made by explode.`)
  }
}

async function listOwn(dir: string): Promise<string[]> {
  const names = await list(dir)
  for (const name of names) {
    const ours =
      (SECRET_NAME.test(name) || TEMPORARY.test(name)) && !(await lstat(join(dir, name))).isDirectory()
    if (!ours) throw new Error(`${join(dir, name)} is not ours. Remove it, then run this again.`)
  }
  return names
}

async function list(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function differing(it: Wanted, o: ExplodeOptions, value?: Secret): Promise<string | undefined> {
  const found = await lstat(it.path).catch(() => undefined)
  if (!found) return `${it.name} is missing`
  if (value ? !found.isFile() : !found.isDirectory())
    return `${it.name} is not a ${value ? 'file' : 'directory'}`
  const mode = found.mode & 0o7777
  if (mode !== it.mode) return `${it.name} has mode ${mode.toString(8)} instead of ${it.mode.toString(8)}`
  if (o.chown !== false && (found.uid !== it.uid || found.gid !== it.gid)) {
    return `${it.name} belongs to ${found.uid}:${found.gid} instead of ${it.uid}:${it.gid}`
  }
  if (value && (await readFile(it.path, 'utf8')) !== value.reveal()) return `${it.name} has another value`
  return undefined
}

async function establish(directory: Wanted, o: ExplodeOptions): Promise<void> {
  await mkdir(directory.path, { recursive: true, mode: 0o700 })
  const handle = await open(directory.path)
  try {
    if (o.chown !== false) await handle.chown(directory.uid, directory.gid)
    await handle.chmod(directory.mode)
  } finally {
    await handle.close()
  }
}

async function writeBeside(file: WantedFile, o: ExplodeOptions): Promise<string> {
  const name = `.${file.name.split('/')[1]}.${randomBytes(6).toString('hex')}.tmp`
  const temporary = join(file.path, '..', name)
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(file.value.reveal())
    if (o.chown !== false) await handle.chown(file.uid, file.gid)
    await handle.chmod(file.mode)
    await handle.sync()
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  } finally {
    await handle.close()
  }
  return temporary
}
