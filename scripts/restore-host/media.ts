import { chmod, chown, mkdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { CONSUMERS } from '../../secrets/schema.ts'
import { MEDIA } from '../backup/layout.ts'
import { hashFile } from '../backup/write-hashed.ts'
import { megabytes } from '../lib/words.ts'
import { bring } from '../offsite/bring.ts'
import { byName, type Held, mediaName, mediaPlace, whole } from '../offsite/names.ts'
import type { Remote, RemoteFile } from '../offsite/remote.ts'
import { type OpenIdentity, plainBytes, sealedBytes } from '../offsite/seal.ts'
import type { Progress } from './phases.ts'
import { runProgram } from './program.ts'

/** On the same file system as the files; a name that begins with a dot is no media file. */
const STAGING = '.recovery'
const { app: APP } = CONSUMERS
/** More on the far side than this much of what is needed is not worth bringing before it is known which. */
const WORTHWHILE = 1.25

/** A file as the database knows it. */
export interface StoredFile {
  /** relative to the media directory */
  readonly place: string
  readonly bytes: number
  /** hex; '' where none was recorded */
  readonly sha256: string
}

export interface MediaResult {
  readonly files: number
  readonly bytes: number
  /** files the database names that did not come back, with the reason */
  readonly missing: readonly { readonly place: string; readonly problem: string }[]
}

/** The media of the far side, and what of it is here already. */
export class MediaRestore {
  readonly #remote: Remote
  readonly #identity: OpenIdentity
  readonly #held: Held
  readonly #root: string
  /** SHA-256 by place, of what this run has opened */
  readonly #hashes = new Map<string, string>()
  readonly #problems = new Map<string, string>()

  /** @param root where the files belong */
  constructor(remote: Remote, identity: OpenIdentity, listing: readonly RemoteFile[], root: string = MEDIA) {
    this.#root = root
    this.#remote = remote
    this.#identity = identity
    this.#held = byName(listing)
  }

  /** The latest attempt of each file; what it replaces was cut off. */
  get #latest(): RemoteFile[] {
    return [...this.#held.values()].flatMap((attempts) => attempts[0] ?? [])
  }

  /**
   * Brings what there is before the database can say what is needed, if most of it will be.
   * @param expectedBytes of all that the database names
   */
  async bringAhead(expectedBytes: number, progress: Progress): Promise<void> {
    const files = this.#latest.filter(({ name }) => mediaPlace(name) !== undefined)
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    if (bytes > expectedBytes * WORTHWHILE + 64e6) {
      progress('left until the database says which')
      return
    }
    const missing: RemoteFile[] = []
    for (const file of files) {
      const place = mediaPlace(file.name) ?? ''
      if ((await this.#sizeOf(place)) !== plainBytes(file.bytes)) missing.push(file)
    }
    await this.#bring(missing, progress)
  }

  /**
   * Brings what is still missing, compares every file with what the database says of it, and removes what the database no
   * longer names.
   */
  async complete(rows: readonly StoredFile[], progress: Progress): Promise<MediaResult> {
    const wanted: RemoteFile[] = []
    for (const row of rows) {
      if (await this.#isRight(row)) continue
      const found = whole(this.#held, mediaName(row.place) ?? '', sealedBytes(row.bytes))
      if (found) wanted.push(found)
      else this.#problems.set(row.place, 'it is not on the far side')
    }
    await this.#bring(wanted, progress)
    const missing: { place: string; problem: string }[] = []
    for (const row of rows) {
      if (await this.#isRight(row)) continue
      missing.push({ place: row.place, problem: this.#problems.get(row.place) ?? 'its SHA-256 is another' })
      // What is not the file that was stored is not served under its name.
      await rm(join(this.#root, row.place), { force: true })
    }
    await this.#removeUnknown(new Set(rows.map(({ place }) => place)))
    await makeDirectory(this.#root)
    await rm(join(this.#root, STAGING), { recursive: true, force: true })
    await runProgram(['sync', '--file-system', this.#root], { seconds: 300 })
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
    progress(`${rows.length - missing.length} files, ${megabytes(bytes)}`)
    return { files: rows.length - missing.length, bytes, missing }
  }

  async #bring(files: readonly RemoteFile[], progress: Progress): Promise<void> {
    if (files.length === 0) return
    const total = files.reduce((sum, file) => sum + file.bytes, 0)
    const staging = join(this.#root, STAGING)
    await makeDirectory(this.#root)
    await rm(staging, { recursive: true, force: true })
    await mkdir(staging, { mode: 0o700 })
    const { failed } = await bring(this.#remote, 'media', files, {
      identity: this.#identity,
      staging,
      accept: (file, path) => this.#accept(mediaPlace(file.name) ?? '', path),
      onBytes: (bytes) => progress(`${megabytes(bytes)} of ${megabytes(total)}`),
    })
    for (const { name, problem } of failed) this.#problems.set(mediaPlace(name) ?? name, problem)
  }

  async #accept(place: string, path: string): Promise<void> {
    this.#hashes.set(place, await hashFile(path))
    await chown(path, APP.uid, APP.gid)
    await chmod(path, 0o640)
    const target = join(this.#root, place)
    await makeDirectory(dirname(target))
    await rename(path, target)
  }

  async #isRight(row: StoredFile): Promise<boolean> {
    if ((await this.#sizeOf(row.place)) !== row.bytes) return false
    if (row.sha256 === '') return true
    const hash = this.#hashes.get(row.place) ?? (await hashFile(join(this.#root, row.place)))
    this.#hashes.set(row.place, hash)
    return hash === row.sha256
  }

  /** What retention had deleted on the lost host is still on the far side; it must not come back to life here. */
  async #removeUnknown(known: ReadonlySet<string>): Promise<void> {
    for (const { name } of this.#latest) {
      const place = mediaPlace(name)
      if (place === undefined || known.has(place)) continue
      await rm(join(this.#root, place), { force: true })
      await removeEmpty(this.#root, dirname(place))
    }
  }

  async #sizeOf(place: string): Promise<number | undefined> {
    return stat(join(this.#root, place)).then(
      (found) => found.size,
      () => undefined,
    )
  }
}

/** A directory and those above it, as far as nothing is left in them. */
async function removeEmpty(root: string, directory: string): Promise<void> {
  for (let at = directory; at !== '.'; at = dirname(at)) {
    try {
      await rmdir(join(root, at))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'ENOTEMPTY') return
      if (code !== 'ENOENT') throw error
    }
  }
}

/** Directories as the server makes them: its own. */
async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o750 })
  if (first === undefined) return
  // From the first one that was made down to the last.
  let at = first
  for (const part of ['', ...relative(first, path).split('/')]) {
    at = join(at, part)
    await chown(at, APP.uid, APP.gid)
    await chmod(at, 0o750)
  }
}
