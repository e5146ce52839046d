import type { Stats } from 'node:fs'
import { constants, copyFile, link, lstat, mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { writeAtomically } from '../../secrets/atomic.ts'
import { Fail } from '../lib/fail.ts'
import type { Progress } from './job.ts'
import { listSets, MEDIA_LIST, publish, setName, syncDirectory, withWorkingDirectory } from './layout.ts'
import { prune } from './prune.ts'
import { checkRoom } from './room.ts'
import { hashFile } from './write-hashed.ts'

export interface MediaRequest {
  /** the server's directory, e.g. MEDIA; nothing in it is changed */
  readonly source: string
  /** where snapshots are kept, e.g. MEDIA_SNAPSHOTS; on the same file system a snapshot takes no room */
  readonly directory: string
  readonly progress: Progress
  readonly now?: Date
}

export interface MediaSnapshot {
  readonly name: string
  readonly files: number
  readonly bytes: number
  /** files that no snapshot had before */
  readonly added: number
  /** names of older snapshots that had their time */
  readonly removed: readonly string[]
  /** files whose size is another than when they were new, relative to the source */
  readonly altered: readonly string[]
}

/** Hashes by path relative to the snapshot. @throws {Fail} when the list is missing or damaged */
export async function readMediaList(snapshot: string): Promise<Map<string, string>> {
  const path = join(snapshot, MEDIA_LIST)
  const damaged = (cause?: unknown) =>
    new Fail(`${path} is missing or damaged`, { next: `remove this snapshot: rm -r ${snapshot}`, cause })
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw damaged(cause)
  })
  const lines = text.split('\n')
  if (lines.pop() !== '') throw damaged()
  const entries = lines.map((line) => {
    const [, hash = '', file = ''] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? []
    if (file === '') throw damaged()
    return [file, hash] as const
  })
  return new Map(entries)
}

/**
 * Keeps every media file by one more hard link, or by a copy where links are impossible. A file never changes once it has its
 * name, so it is hashed once, when it is new, and later taken from the snapshot before. The caller holds the lock.
 * @throws {Refused} when there is too little room
 */
export async function snapshotMedia(o: MediaRequest): Promise<MediaSnapshot> {
  const name = setName(o.now ?? new Date())
  await mkdir(o.directory, { recursive: true, mode: 0o700 })
  const [newest] = await listSets(o.directory)
  const before = newest === undefined ? undefined : join(o.directory, newest)
  const known = before === undefined ? new Map<string, string>() : await readMediaList(before)
  return withWorkingDirectory(o.directory, name, async (working) => {
    await checkRoom(o.directory, 0)
    const list: [path: string, hash: string][] = []
    const altered: string[] = []
    const directories = new Set([working])
    let [bytes, added] = [0, 0]
    for (const path of await listFiles(o.source)) {
      const target = join(working, path)
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      for (let up = dirname(target); up !== working; up = dirname(up)) directories.add(up)
      const hash = known.get(path)
      const old = before !== undefined && hash !== undefined ? join(before, path) : undefined
      const live = await lstat(join(o.source, path)).catch(ignoreMissing)
      // The server removes what is past its retention.
      if (live === undefined) continue
      await keep(old ?? join(o.source, path), target)
      const { size } = await ordinary(target)
      if (size !== live.size) altered.push(path)
      if (hash === undefined) added += 1
      list.push([path, hash ?? (await hashFile(target))])
      bytes += size
    }
    await writeAtomically(
      join(working, MEDIA_LIST),
      list.map(([path, hash]) => `${hash}  ${path}\n`).join(''),
      0o600,
    )
    for (const directory of directories) await syncDirectory(directory)
    await publish(working, o.directory, name)
    const removed = await prune(o.directory, name, o.progress)
    return { name, files: list.length, bytes, added, removed, altered }
  })
}

/**
 * Reads the newest snapshot through and compares it with its list. Its files are the live ones by another name, so this finds
 * what the disk did to those.
 * @returns how many files were read; `undefined` when there is no snapshot yet
 * @throws {Fail} naming files that are missing or have other contents
 */
export async function proveMedia(
  directory: string,
  progress: Progress,
): Promise<{ name: string; files: number } | undefined> {
  const [name] = await listSets(directory)
  if (name === undefined) return undefined
  const snapshot = join(directory, name)
  const list = await readMediaList(snapshot)
  progress(`reading ${list.size} media files`)
  const wrong: string[] = []
  for (const [path, hash] of list) {
    const found = await hashFile(join(snapshot, path)).catch(ignoreMissing)
    if (found === undefined) wrong.push(`${path} is missing`)
    else if (found !== hash) wrong.push(`${path} is not what it was when it was new`)
  }
  if (wrong.length === 0) return { name, files: list.size }
  throw new Fail(`${wrong.length} of ${list.size} media files of ${name} are damaged`, {
    next: 'bring them back from offsite: docs/operations/backups.md',
    output: wrong.slice(0, 10).join('\n'),
  })
}

/** Our own names only: a line break, say, would break the list. */
const PLACE = /^[0-9A-Za-z][0-9A-Za-z.-]*(\/[0-9A-Za-z][0-9A-Za-z.-]*)*$/

/**
 * Ordinary files, relative to the root, in order. A name that starts with a dot is still being received.
 * @throws {Fail} for a file that is none of the server's
 */
async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new Fail(`${root} cannot be read (${cause.code})`, {
        next: 'run the bootstrap: ./bootstrap/run.sh',
        cause,
      })
    },
  )
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)\./.test(path))
  const foreign = paths.find((path) => !PLACE.test(path))
  if (foreign === undefined) return paths.sort()
  throw new Fail(`${JSON.stringify(foreign)} in ${root} is no file of the server`, {
    next: 'move it elsewhere',
  })
}

/** Root reads what it is led to: a link that the server's user planted must not lead to root's own files. */
async function ordinary(path: string): Promise<Stats> {
  const found = await lstat(path)
  if (found.isFile()) return found
  throw new Fail(`${path} is a link, or no file at all`, { next: 'find out who put it among the media' })
}

async function keep(source: string, target: string): Promise<void> {
  try {
    await link(source, target)
  } catch (error) {
    if (!['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
