import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DiskFull, MediaFiles, TooLarge } from '../../../server/media/files.ts'
import { LARGEST } from '../../../server/media/kinds.ts'
import type { MediaKind } from '../../../server/media/media.ts'

let root: string
let files: MediaFiles

beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), 'media-files-')), 'media')
  files = new MediaFiles(root, 0)
})
afterEach(() => rm(join(root, '..'), { recursive: true, force: true }))

async function* chunks(...sizes: number[]) {
  for (const [i, size] of sizes.entries()) yield Buffer.alloc(size, i + 1)
}
const left = () => readdir(join(root, '.tmp')).catch(() => [])
const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
const place = (id = randomUUID()) => ({
  waNumberId: '123456',
  id,
  extension: 'bin',
  at: new Date('2026-03-09T23:59:59Z'),
})

test('D6.1 a file lands under number, year and month with our id, 0640 in 0750, with its size and hash', async () => {
  const received = await files.receive(chunks(10, 70_000), 100_000)
  expect(received.sizeBytes).toBe(70_010)
  const bytes = Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(70_000, 2)])
  expect(received.sha256).toEqual(createHash('sha256').update(bytes).digest())
  expect(received.head).toEqual(bytes.subarray(0, 65_536))
  const at = place()
  const kept = await files.keep(received, at)
  expect(kept).toBe(`123456/2026/03/${at.id}.bin`)
  expect(await readFile(join(root, kept))).toEqual(bytes)
  expect(await mode(join(root, kept))).toBe('640')
  for (const directory of ['123456', '123456/2026', '123456/2026/03', '.tmp'])
    expect(await mode(join(root, directory)), directory).toBe('750')
  expect(await left()).toEqual([])
})

test.each(Object.entries(LARGEST) as [MediaKind, number][])(
  'D6.2 one byte more than %s may have ends the stream at once and leaves no file',
  async (_, largest) => {
    let asked = 0
    const source = async function* () {
      for (const size of [largest, 1, 1_000]) {
        asked += 1
        yield Buffer.alloc(size)
      }
    }
    await expect(files.receive(source(), largest)).rejects.toThrow(TooLarge)
    expect(asked).toBe(2)
    expect(await left()).toEqual([])
  },
)

test('exactly the size allowed is kept', async () => {
  expect((await files.receive(chunks(50, 50), 100)).sizeBytes).toBe(100)
})

test('a source that breaks leaves no file', async () => {
  const source = async function* () {
    yield Buffer.alloc(10)
    throw new Error('connection lost')
  }
  await expect(files.receive(source(), 100)).rejects.toThrow('connection lost')
  expect(await left()).toEqual([])
})

test('a disk that is nearly full takes nothing', async () => {
  const careful = new MediaFiles(root, Number.MAX_SAFE_INTEGER)
  await expect(careful.receive(chunks(1), 100)).rejects.toThrow(DiskFull)
  expect(await left()).toEqual([])
})

test('D6.7 no place leads out of the root', () => {
  for (const path of ['../x', '/etc/passwd', 'a/../../x', '.', ''])
    expect(() => files.pathOf(path), path).toThrow('MEDIA_ROOT')
  expect(files.pathOf('1/2026/01/a.png')).toBe(join(root, '1/2026/01/a.png'))
})

test('what a crash left half received is swept away, what is being received is not', async () => {
  expect(await files.sweep()).toBe(0)
  const received = await files.receive(chunks(10), 100)
  const stale = join(root, '.tmp', 'stale')
  await writeFile(stale, 'x')
  const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000)
  await utimes(stale, longAgo, longAgo)
  expect(await files.sweep()).toBe(1)
  expect(await left()).toEqual([received.path.split('/').at(-1)])
})

test('a file that is gone has no size and can be removed again', async () => {
  const kept = await files.keep(await files.receive(chunks(10), 100), place())
  expect(await files.sizeOf(kept)).toBe(10)
  await files.remove(kept)
  await files.remove(kept)
  expect(await files.sizeOf(kept)).toBeUndefined()
  expect(await files.sizeOf('123456')).toBeUndefined()
})
