import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mediaName } from '../../../scripts/offsite/names.ts'
import { seal } from '../../../scripts/offsite/seal.ts'
import { MediaRestore, type StoredFile } from '../../../scripts/restore-host/media.ts'
import { programsMissing, scratch } from '../offsite/far-side.ts'
import { flip, type LostHost, lostHost } from './lost-host.ts'

const missing =
  programsMissing() ?? (process.getuid?.() === 0 ? undefined : 'only root can give files to the server')
if (missing) console.warn(`skipped: ${missing}`)

const quiet = () => undefined

async function addFile({ far, recovery }: LostHost, place: string, text: string): Promise<StoredFile> {
  const plain = join(await scratch(), 'plain')
  await writeFile(plain, text)
  await seal(plain, join(far.directory, 'media', mediaName(place) ?? ''), recovery.recipient)
  return { place, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
}

async function open(lost: LostHost, root: string): Promise<MediaRestore> {
  return new MediaRestore(lost.far.remote, lost.identity, await lost.far.remote.list('media'), root)
}

const [A, B] = ['100/2026/11/a-1.jpg', '100/2026/10/b-2.pdf'] as const

describe.skipIf(missing)('media', () => {
  test('come back as the server keeps them, ahead of the database or after it', async () => {
    for (const ahead of [true, false]) {
      const lost = await lostHost()
      const root = join(await scratch(), 'media')
      const rows = [await addFile(lost, A, 'a picture'), await addFile(lost, B, 'a document')]
      const media = await open(lost, root)
      if (ahead) await media.bringAhead(20, quiet)
      expect(await media.complete(rows, quiet)).toEqual({ files: 2, bytes: 19, missing: [] })
      expect(await readFile(join(root, A), 'utf8')).toBe('a picture')
      const file = await stat(join(root, A))
      expect([file.mode & 0o777, file.uid, file.gid]).toEqual([0o640, 65532, 65532])
      for (const directory of ['', '100', '100/2026', '100/2026/11']) {
        const found = await stat(join(root, directory))
        expect([found.mode & 0o777, found.uid, found.gid]).toEqual([0o750, 65532, 65532])
      }
      expect(await readdir(root)).toEqual(['100'])
    }
  })

  test('are not brought twice', async () => {
    const lost = await lostHost()
    const root = join(await scratch(), 'media')
    const rows = [await addFile(lost, A, 'a picture')]
    await (await open(lost, root)).bringAhead(9, quiet)
    const again = await open(lost, root)
    await rm(join(lost.far.directory, 'media'), { recursive: true })
    await again.bringAhead(9, quiet)
    expect(await again.complete(rows, quiet)).toMatchObject({ files: 1, missing: [] })
  })

  test('that the database no longer names do not come back to life', async () => {
    const lost = await lostHost()
    const root = join(await scratch(), 'media')
    const rows = [await addFile(lost, A, 'a picture')]
    await addFile(lost, B, 'deleted by retention')
    const media = await open(lost, root)
    await media.bringAhead(30, quiet)
    await media.complete(rows, quiet)
    expect(await readdir(root, { recursive: true })).toEqual(['100', '100/2026', '100/2026/11', A])
  })

  test('wait for the database when the far side holds far more than is needed', async () => {
    const lost = await lostHost()
    const root = join(await scratch(), 'media')
    await addFile(lost, A, 'x'.repeat(65_000_000))
    await (await open(lost, root)).bringAhead(1000, quiet)
    await expect(stat(join(root, A))).rejects.toThrow('ENOENT')
  })

  const faults: [string, (lost: LostHost, name: string) => Promise<unknown>, RegExp][] = [
    ['altered', (lost, name) => flip(lost.far, name), /age/],
    ['cut off', (lost, name) => truncate(join(lost.far.directory, name), 190), /not on the far side/],
    ['missing', (lost, name) => rm(join(lost.far.directory, name)), /not on the far side/],
  ]
  test.each(faults)(
    'that are %s on the far side are named, and the others come back',
    async (_, spoil, says) => {
      const lost = await lostHost()
      const root = join(await scratch(), 'media')
      const rows = [await addFile(lost, A, 'a picture'), await addFile(lost, B, 'a document')]
      await spoil(lost, `media/${mediaName(A)}`)
      const media = await open(lost, root)
      await media.bringAhead(20, quiet)
      const result = await media.complete(rows, quiet)
      expect(result.files).toBe(1)
      expect(result.missing).toEqual([{ place: A, problem: expect.stringMatching(says) }])
      await expect(stat(join(root, A))).rejects.toThrow('ENOENT')
    },
  )

  test('with other contents than the database knows, if sealed to the same key, are not served', async () => {
    const lost = await lostHost()
    const root = join(await scratch(), 'media')
    const row = await addFile(lost, A, 'a picture')
    await addFile(lost, A, 'a pictuRe')
    const result = await (await open(lost, root)).complete([row], quiet)
    expect(result.missing).toEqual([{ place: A, problem: 'its SHA-256 is another' }])
    await expect(stat(join(root, A))).rejects.toThrow('ENOENT')
  })

  test('of an upload that broke off are taken from the next attempt', async () => {
    const lost = await lostHost()
    const root = join(await scratch(), 'media')
    const row = await addFile(lost, A, 'a picture')
    const path = join(lost.far.directory, 'media', mediaName(A) ?? '')
    await writeFile(`${path}.1`, await readFile(path))
    await truncate(path, 100)
    for (const ahead of [true, false]) {
      const media = await open(lost, root)
      if (ahead) await media.bringAhead(9, quiet)
      expect(await media.complete([row], quiet)).toMatchObject({ files: 1, missing: [] })
      await rm(root, { recursive: true })
    }
  })
})
