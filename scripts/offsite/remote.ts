import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as z from 'zod'
import type { OffsiteSettings } from '../../secrets/remotes.ts'
import { Ended, openRclone, type Rclone } from './rclone.ts'

/** The two directories of the far side. They must exist: the credential cannot make any. */
export type RemoteDirectory = 'sets' | 'media'

export interface RemoteFile {
  readonly name: string
  readonly bytes: number
}

/** The far side: it can list, take and give files, and nothing else. Every call has a time limit. */
export interface Remote extends AsyncDisposable {
  /** A directory on tmpfs that is removed with the remote; for {@link openIdentity}. */
  readonly privateDirectory: string
  list(directory: RemoteDirectory): Promise<RemoteFile[]>
  /** @returns `undefined` when it is not there; an error tells that the far side does not answer */
  stat(directory: RemoteDirectory, name: string): Promise<RemoteFile | undefined>
  /**
   * Sends every file of a local directory under its name there.
   * @param bytes of all files together
   */
  put(
    directory: RemoteDirectory,
    from: string,
    bytes: number,
    onBytes?: (bytes: number) => void,
  ): Promise<void>
  /** Sends a stream under a name. When `source.done` fails, what has arrived stays there, too short. */
  putStream(
    directory: RemoteDirectory,
    file: RemoteFile,
    source: { stream: Readable; done: Promise<void> },
    onBytes?: (bytes: number) => void,
  ): Promise<void>
  /** Brings files into a local directory, under the names they have on the far side. */
  fetch(
    directory: RemoteDirectory,
    files: readonly RemoteFile[],
    into: string,
    onBytes?: (bytes: number) => void,
  ): Promise<void>
  /** Brings one file as a stream; complete only once `done` has resolved. */
  fetchStream(
    directory: RemoteDirectory,
    file: RemoteFile,
  ): { stream: Readable; done: Promise<void>; kill(): void }
}

/** The slowest line that is waited for. */
const BYTES_PER_SECOND = 100_000
const LIST_SECONDS = 300
/** Providers allow ten connections or fewer; more than four is no faster. */
const FOUR = ['--transfers', '4', '--checkers', '4'] as const

/** @returns seconds after which a transfer of so many bytes is given up */
export function transferLimit(bytes: number): number {
  return 180 + Math.ceil(bytes / BYTES_PER_SECOND)
}

/**
 * Opens the far side by rclone. Nothing is connected to yet.
 * @throws Error when there is no memory file system for the keys
 */
export async function openRemote(settings: OffsiteSettings): Promise<Remote> {
  const rclone = await openRclone(settings)
  const at = (directory: RemoteDirectory, name = ''): string =>
    rclone.at(name ? `${directory}/${name}` : directory)
  return {
    privateDirectory: rclone.directory,
    list: (directory) => list(rclone, at(directory)),
    async stat(directory, name) {
      const argv = ['lsjson', '--stat', '--no-modtime', '--no-mimetype', at(directory, name)]
      const text = await rclone.run(argv, { seconds: 60 }).catch((error: unknown) => {
        if (error instanceof Error && error.message.includes('not found')) return 'null'
        throw error
      })
      const found = listing.element.nullable().parse(JSON.parse(text || 'null'))
      return found === null || found.IsDir ? undefined : { name, bytes: found.Size }
    },
    async put(directory, from, bytes, onBytes) {
      // Without a look at the far side: whoever calls has listed it, and it refuses to overwrite.
      const argv = ['copy', '--no-check-dest', ...FOUR, from, at(directory)]
      await rclone.run(argv, { seconds: transferLimit(bytes), onBytes })
    },
    async putStream(directory, file, source, onBytes) {
      // Without --size: S3 would get it as one request without a checksum, which a bucket with object lock refuses.
      const argv = ['rcat', at(directory, file.name)]
      const started = rclone.start(argv, { seconds: transferLimit(file.bytes), onBytes })
      try {
        // The end of the input means success to rclone; so it comes only after the source has succeeded.
        await Promise.all([pipeline(source.stream, started.stdin, { end: false }), source.done])
        started.stdin.end()
      } catch (error) {
        started.kill()
        // The far side's own words first; killed by us it has none, and the source knows why.
        await started.done.catch((reason: unknown) => {
          if (!(reason instanceof Ended)) throw reason
        })
        await source.done
        throw error
      }
      await started.done
    },
    async fetch(directory, files, into, onBytes) {
      const input = files.map(({ name }) => `${name}\n`).join('')
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
      const argv = ['copy', '--no-traverse', '--files-from-raw', '-', ...FOUR, at(directory), into]
      await rclone.run(argv, { seconds: transferLimit(bytes), input, onBytes })
      await mustBeThere(files, into)
    },
    fetchStream(directory, file) {
      const { stdin, stdout, done, kill } = rclone.start(['cat', at(directory, file.name)], {
        seconds: transferLimit(file.bytes),
      })
      stdin.end()
      return { stream: stdout, done, kill }
    },
    [Symbol.asyncDispose]: () => rclone[Symbol.asyncDispose](),
  }
}

/** rclone passes over a name that the far side does not have. */
async function mustBeThere(files: readonly RemoteFile[], directory: string): Promise<void> {
  for (const { name } of files) {
    const there = await stat(join(directory, name)).catch(() => undefined)
    if (there === undefined) throw new Error(`The far side does not have ${name}, though it lists it.`)
  }
}

const listing = z.array(z.object({ Path: z.string(), Size: z.number(), IsDir: z.boolean() }))

async function list(rclone: Rclone, place: string): Promise<RemoteFile[]> {
  const argv = ['lsjson', '--files-only', '--no-modtime', '--no-mimetype', place]
  const found = listing.parse(JSON.parse(await rclone.run(argv, { seconds: LIST_SECONDS })))
  return found.map(({ Path, Size }) => ({ name: Path, bytes: Size }))
}
