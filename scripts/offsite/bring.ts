import { createHash } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { ahead, batches, eachOf } from './batches.ts'
import { Ended } from './rclone.ts'
import { type Remote, type RemoteDirectory, type RemoteFile, transferLimit } from './remote.ts'
import { type OpenIdentity, unseal, unsealStream } from './seal.ts'

/** Two batches are on the disk at a time: one that is opened, one that arrives. */
const BATCH = { bytes: 128 * 1024 * 1024, files: 1000 }

/** For rclone to say why it failed. */
const LAST_WORDS_MS = 2_000

export interface Brought {
  readonly files: number
  /** sealed bytes */
  readonly bytes: number
  /** what could not be opened or was not accepted; the others are in place all the same */
  readonly failed: readonly { readonly name: string; readonly problem: string }[]
}

export interface BringOptions {
  readonly identity: OpenIdentity
  /** A private directory on the file system the files go to. What was opened is in it for a moment only. */
  readonly staging: string
  /** Checks an opened file and moves it to its place; what it throws marks the file as failed. */
  readonly accept: (file: RemoteFile, path: string) => Promise<void>
  /** bytes brought and opened so far */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Brings many sealed files and opens them, the next batch on its way while one is opened.
 * @throws Error when the far side fails; a single file that cannot be opened does not end it
 */
export async function bring(
  remote: Remote,
  directory: RemoteDirectory,
  files: readonly RemoteFile[],
  o: BringOptions,
): Promise<Brought> {
  const failed: { name: string; problem: string }[] = []
  let bytes = 0
  const fetchBatch = async (batch: readonly RemoteFile[]): Promise<string> => {
    const place = await mkdtemp(join(o.staging, 'batch-'))
    await remote.fetch(directory, batch, place)
    return place
  }
  const openBatch = async (batch: readonly RemoteFile[], place: string): Promise<void> => {
    await eachOf(batch, availableParallelism() + 1, async (file) => {
      const [sealed, opened] = [join(place, file.name), join(place, `${file.name}.opened`)]
      try {
        await unseal(sealed, opened, o.identity)
        await o.accept(file, opened)
      } catch (error) {
        failed.push({ name: file.name, problem: error instanceof Error ? error.message : String(error) })
      }
      await rm(sealed)
      bytes += file.bytes
      o.onBytes?.(bytes)
    })
    await rm(place, { recursive: true })
  }
  await ahead(batches(files, BATCH), fetchBatch, openBatch)
  return { files: files.length - failed.length, bytes, failed }
}

/**
 * Brings one large file and opens it on the way, so that it is on the disk once. It is fsynced.
 * @param target is made anew (0600); removed when anything fails
 * @returns length and SHA-256 (hex) of the opened file
 */
export async function bringOne(
  remote: Remote,
  directory: RemoteDirectory,
  file: RemoteFile,
  target: string,
  o: { readonly identity: OpenIdentity; readonly onBytes?: (bytes: number) => void },
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk)
      bytes += chunk.length
      o.onBytes?.(bytes)
      done(null, chunk)
    },
  })
  const handle = await open(target, 'wx', 0o600)
  const sealed = remote.fetchStream(directory, file)
  const opened = unsealStream(sealed.stream, o.identity, transferLimit(file.bytes))
  try {
    await Promise.all([
      pipeline(opened.stream, count, handle.createWriteStream({ flush: true })),
      opened.done,
      sealed.done,
    ])
    return { bytes, sha256: hash.digest('hex') }
  } catch (error) {
    // Each breaks the other's pipe, and either may be heard of first: for an input that ends early, age only knows that it does.
    const far = await Promise.race([failureOf(sealed.done), sleep(LAST_WORDS_MS)])
    sealed.kill()
    await rm(target, { force: true })
    if (far instanceof Error && !isForLackOfReader(far)) throw far
    if (isForLackOfReader(error)) await opened.done
    throw error
  } finally {
    await handle.close()
  }
}

const failureOf = (done: Promise<void>): Promise<unknown> => done.catch((reason: unknown) => reason)

/** What becomes of rclone when nobody reads its output any more. */
function isForLackOfReader(error: unknown): boolean {
  return error instanceof Ended || (error instanceof Error && error.message.includes('send to output'))
}
