import { statfs } from 'node:fs/promises'
import { Refused } from '../lib/fail.ts'
import { megabytes } from '../lib/words.ts'

/** A full disk would take the database down with it. */
const LEAST = 256 * 1024 * 1024

/**
 * @param bytes wanted free; less than 256 MiB counts as that
 * @throws {Refused} when the file system has less
 */
export async function checkRoom(directory: string, bytes: number): Promise<void> {
  const needed = Math.max(LEAST, bytes)
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize >= needed) return
  throw new Refused(
    `${directory} has room for ${megabytes(bavail * bsize)}, and a backup wants ${megabytes(needed)} free`,
    { next: `make room on its file system: df -h ${directory}; du -xh --max-depth=2 /var | sort -h | tail` },
  )
}
