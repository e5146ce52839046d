import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { Fail } from '../lib/fail.ts'

/** A file as it was written. */
export interface Written {
  readonly bytes: number
  /** lower-case hex */
  readonly sha256: string
}

/** @returns lower-case hex */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/**
 * Writes a stream to a new file (0600), durably, hashing it on the way, and reads it again.
 * @param also receives the same bytes
 * @throws {Fail} when what was written is not what is there
 */
export async function writeHashed(source: Readable, path: string, also?: Writable): Promise<Written> {
  const hash = createHash('sha256')
  let bytes = 0
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      hash.update(chunk)
      bytes += chunk.length
      const full = also?.write(chunk) === false
      await file.writeFile(chunk)
      if (also && full) await drained(also)
    }
    await file.sync()
  } finally {
    await file.close()
    also?.end()
  }
  const sha256 = hash.digest('hex')
  if ((await hashFile(path)) === sha256) return { bytes, sha256 }
  throw new Fail(`${path} reads back otherwise than it was written`, {
    next: 'check the disk: dmesg; smartctl -a',
  })
}

/** Until there is room again, or nobody to read: whoever started the reader hears why. */
function drained(stream: Writable): Promise<void> {
  if (stream.destroyed || !stream.writableNeedDrain) return Promise.resolve()
  return new Promise((resolve) => {
    const go = () => {
      stream.off('drain', go).off('close', go)
      resolve()
    }
    stream.on('drain', go).on('close', go)
  })
}
