import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { bySequence, parseSegmentName, type Segment } from './segment.ts'

/** A segment on this host, with the SHA-256 of its file, in hexadecimal. */
export interface LocalSegment extends Segment {
  readonly sha256: string
}

/**
 * The closed segments below `directory/<yyyy>/<mm>/`, oldest first. The server gives a file this name once it is complete.
 * Links are not followed: the server's user could lay one that leads elsewhere.
 * @throws when the directory cannot be read
 */
export async function readLocalSegments(directory: string): Promise<LocalSegment[]> {
  const found: Segment[] = []
  for (const year of await directoriesIn(directory, /^\d{4}$/)) {
    for (const month of await directoriesIn(year, /^\d{2}$/)) found.push(...(await segmentsIn(month)))
  }
  const hashed: LocalSegment[] = []
  for (const segment of found.sort(bySequence))
    hashed.push({ ...segment, sha256: await sha256Of(segment.path) })
  return hashed
}

async function directoriesIn(directory: string, name: RegExp): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory() && name.test(entry.name))
    .map((entry) => join(directory, entry.name))
}

async function segmentsIn(directory: string): Promise<Segment[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.flatMap((entry) => {
    const ids = entry.isFile() ? parseSegmentName(entry.name) : undefined
    return ids === undefined ? [] : [{ name: entry.name, path: join(directory, entry.name), ...ids }]
  })
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
