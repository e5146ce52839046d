import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { UsageError } from '../lib/cli.ts'
import { Refused } from '../lib/fail.ts'

/**
 * How the recovery key is read without a prompt; `undefined` when it is to be typed.
 * @param file path, or `-` for standard input
 * @param fd number of an open file descriptor
 * @throws UsageError when both are given, or the descriptor is no number
 */
export function keySource(
  file: string | undefined,
  fd: string | undefined,
): (() => Promise<string>) | undefined {
  if (file !== undefined && fd !== undefined)
    throw new UsageError('Give --recovery-key-file or --recovery-key-fd, not both.')
  if (fd !== undefined && !/^\d{1,4}$/.test(fd))
    throw new UsageError('--recovery-key-fd takes a number, such as 3.')
  if (fd !== undefined)
    return () => reading(`file descriptor ${fd}`, () => text(createReadStream('', { fd: Number(fd) })))
  if (file === undefined) return undefined
  return () => reading(file, () => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')))
}

async function reading(from: string, read: () => Promise<string>): Promise<string> {
  try {
    return await read()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Refused(`the recovery key cannot be read from ${from} (${code})`, {
      next: 'leave the option out to type the key',
    })
  }
}
