import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ahead, batches, eachOf } from './batches.ts'
import type { Missing, MissingSet } from './missing.ts'
import { type Held, nextAttempt } from './names.ts'
import { type Remote, transferLimit } from './remote.ts'
import { seal, sealStream } from './seal.ts'

/** Sealed copies that are on the disk at a time: one batch on its way, one being made. */
const BATCH = { bytes: 128 * 1024 * 1024, files: 1000 }

export interface SendOptions {
  readonly remote: Remote
  /** age recipient whose key is on paper */
  readonly recipient: string
  /** what the far side holds, so that no name is taken twice */
  readonly held: Held
  /** called with the bytes that arrived since the last call */
  readonly onBytes: (bytes: number) => void
}

/** A file of this host is not the one its manifest speaks of. */
export class Damaged extends Error {}

/**
 * Sends a set as streams: a dump may be too large to be kept a second time.
 * @throws Damaged before anything of the damaged file was sent; Error when the far side fails
 */
export async function sendSet({ files }: MissingSet, o: SendOptions): Promise<void> {
  for (const { path, name, bytes, sealFirst, sha256 } of files) {
    if (sha256 !== undefined && (await hashOf(path)) !== sha256) {
      throw new Damaged(`${path} is damaged: its content is not the one of the manifest.`)
    }
    const source = sealFirst
      ? sealStream(path, o.recipient, transferLimit(bytes))
      : { stream: createReadStream(path), done: Promise.resolve() }
    const file = { name: nextAttempt(o.held, name), bytes }
    await counted(bytes, o, (onBytes) => o.remote.putStream('sets', file, source, onBytes))
  }
}

/**
 * Sends media files, sealing one batch while another is on its way.
 * @param staging a private directory for sealed copies
 * @throws Error when a file cannot be sealed, or the far side fails
 */
export async function sendMedia(files: readonly Missing[], staging: string, o: SendOptions): Promise<void> {
  const { bavail, bsize } = await statfs(staging)
  // The database is on this disk: on a full one in small steps.
  const bytes = Math.min(BATCH.bytes, Math.floor((bavail * bsize) / 16))
  await ahead(
    batches(files, { ...BATCH, bytes }),
    async (batch) => {
      const place = await mkdtemp(join(staging, 'batch-'))
      await eachOf(batch, availableParallelism(), async ({ path, name }) => {
        await seal(path, join(place, nextAttempt(o.held, name)), o.recipient)
      })
      return place
    },
    async (batch, place) => {
      const total = batch.reduce((sum, file) => sum + file.bytes, 0)
      await counted(total, o, (onBytes) => o.remote.put('media', place, total, onBytes))
      await rm(place, { recursive: true })
    },
  )
}

/** Turns the running sum of one transfer, which may end short of it, into steps. */
async function counted(
  total: number,
  o: SendOptions,
  send: (onBytes: (sum: number) => void) => Promise<void>,
): Promise<void> {
  let before = 0
  const step = (sum: number): void => {
    o.onBytes(sum - before)
    before = sum
  }
  await send(step)
  step(total)
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
