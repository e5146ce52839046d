import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'

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
 * Writes a stream to a new file (0600), durably, hashing it on the way.
 * @param also receives the same bytes
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
  return { bytes, sha256: hash.digest('hex') }
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
