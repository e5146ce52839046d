import { createHash, randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import type { Readable } from 'node:stream'
import type { ByteRange } from './range.ts'
import { HEAD_BYTES } from './sniff.ts'

/** More bytes came than the kind allows. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

/** The disk must keep room for the database's neighbours. */
export class DiskFull extends Error {
  override readonly name = 'DiskFull'
}

/** A file that is complete but has no name yet. */
export interface Received {
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: Buffer
  /** The first {@link HEAD_BYTES}. */
  readonly head: Buffer
}

const TEMPORARY = '.tmp'
const RESERVE_BYTES = 256 * 1024 * 1024
const STALE_MS = 60 * 60 * 1000
const FILE_MODE = 0o640
const DIRECTORY_MODE = 0o750

/** The tree of files under MEDIA_ROOT. Names come from our own ids only, and a file never changes once it has its name. */
export class MediaFiles {
  readonly #root: string
  readonly #reserveBytes: number

  constructor(root: string, reserveBytes: number = RESERVE_BYTES) {
    this.#root = resolve(root)
    this.#reserveBytes = reserveBytes
  }

  /**
   * Takes the bytes in, hashing them on the way. Nothing stays behind when it throws.
   *
   * @throws TooLarge as soon as there is one byte more than `largest`; DiskFull; whatever `source` throws.
   */
  async receive(source: AsyncIterable<Uint8Array>, largest: number): Promise<Received> {
    const path = join(this.#root, TEMPORARY, randomUUID())
    await this.#makeDirectory(dirname(path))
    await this.#checkRoom(largest)
    const file = await open(path, 'wx', FILE_MODE)
    try {
      const hash = createHash('sha256')
      const head: Uint8Array[] = []
      let sizeBytes = 0
      for await (const chunk of source) {
        if (sizeBytes < HEAD_BYTES) head.push(chunk)
        sizeBytes += chunk.length
        if (sizeBytes > largest) throw new TooLarge(`more than ${largest} bytes`)
        hash.update(chunk)
        await file.writeFile(chunk)
      }
      await file.sync()
      return { path, sizeBytes, sha256: hash.digest(), head: Buffer.concat(head).subarray(0, HEAD_BYTES) }
    } catch (error) {
      await rm(path, { force: true })
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw new DiskFull('the disk is full')
      throw error
    } finally {
      await file.close()
    }
  }

  /**
   * Gives a received file its place, for good and durably: `<number>/<yyyy>/<mm>/<id>.<extension>`.
   *
   * @param waNumberId Meta's id of the number: digits.
   * @returns the place, relative to the root, as `media_objects.storage_path` has it.
   */
  async keep(
    received: Received,
    o: { waNumberId: string; id: string; extension: string; at: Date },
  ): Promise<string> {
    const place = placeOf(o)
    const path = this.pathOf(place)
    await this.#makeDirectory(dirname(path))
    await rename(received.path, path)
    await syncDirectory(dirname(path))
    return place
  }

  async discard(received: Received): Promise<void> {
    await rm(received.path, { force: true })
  }

  /** Absolute. @throws Error for a place outside the root: such a row is damaged. */
  pathOf(storagePath: string): string {
    const path = resolve(this.#root, storagePath)
    if (!path.startsWith(this.#root + sep)) throw new Error('a storage path leads out of MEDIA_ROOT')
    return path
  }

  /** Bytes of the file, or `undefined` when it is not there. */
  async sizeOf(storagePath: string): Promise<number | undefined> {
    const found = await stat(this.pathOf(storagePath)).catch(ignoreMissing)
    return found?.isFile() ? found.size : undefined
  }

  read(storagePath: string, range?: ByteRange): Readable {
    return createReadStream(this.pathOf(storagePath), range)
  }

  /** No error when it is gone already. */
  async remove(storagePath: string): Promise<void> {
    await rm(this.pathOf(storagePath), { force: true })
  }

  /** Removes what a crash left half received. @returns how many. */
  async sweep(now: number = Date.now()): Promise<number> {
    const directory = join(this.#root, TEMPORARY)
    const names = (await readdir(directory).catch(ignoreMissing)) ?? []
    let removed = 0
    for (const name of names) {
      const path = join(directory, name)
      // Another process may be writing a younger one.
      const age = now - ((await stat(path).catch(ignoreMissing))?.mtimeMs ?? now)
      if (age < STALE_MS) continue
      await rm(path, { force: true })
      removed += 1
    }
    return removed
  }

  async #makeDirectory(path: string): Promise<void> {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE })
  }

  async #checkRoom(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#root)
    if (bavail * bsize < bytes + this.#reserveBytes) throw new DiskFull('too little room under MEDIA_ROOT')
  }
}

function placeOf(o: { waNumberId: string; id: string; extension: string; at: Date }): string {
  const [year = '', month = ''] = o.at.toISOString().split('-')
  return `${o.waNumberId}/${year}/${month}/${o.id}.${o.extension}`
}

/** A rename is only durable once the directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  return undefined
}
