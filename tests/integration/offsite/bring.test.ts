import { chmod, mkdir, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bring, bringOne } from '../../../scripts/offsite/bring.ts'
import { byName, mediaName, mediaPlace } from '../../../scripts/offsite/names.ts'
import { openIdentity, seal } from '../../../scripts/offsite/seal.ts'
import type { Secret } from '../../../secrets/secret.ts'
import { type FarSide, farSide, newKey, programsMissing, randomFile, scratch, sha256 } from './far-side.ts'

const missing = programsMissing()
if (missing) console.warn(`skipped: ${missing}`)

const place = (index: number) => `49151/2026/11/file-${index}.jpg`

/** A far side with so many media files; `hashes` by place. */
async function filled(count: number, bytes: number) {
  const [far, recovery, source, target] = await Promise.all([farSide(), newKey(), scratch(), scratch()])
  const hashes = new Map<string, string>()
  for (let index = 0; index < count; index += 1) {
    const path = join(source, String(index))
    hashes.set(place(index), await randomFile(path, bytes))
    await seal(path, join(far.directory, 'media', mediaName(place(index)) ?? ''), recovery.recipient)
  }
  return { far, recovery, source, target, hashes }
}

function identityFor(far: FarSide, key: Secret) {
  const identity = openIdentity(key, far.remote.privateDirectory)
  onTestFinished(() => identity[Symbol.dispose]())
  return identity
}

describe.skipIf(missing)('bring', () => {
  test('every file comes back to its place, and nothing stays in between', async () => {
    const { far, recovery, target, hashes } = await filled(25, 20_000)
    const staging = await scratch()
    const files = await far.remote.list('media')
    let last = 0
    const brought = await bring(far.remote, 'media', files, {
      identity: identityFor(far, recovery.identity),
      staging,
      onBytes: (bytes) => {
        expect(bytes).toBeGreaterThan(last)
        last = bytes
      },
      async accept(file, path) {
        const to = join(target, mediaPlace(file.name) ?? '')
        await mkdir(dirname(to), { recursive: true })
        await rename(path, to)
      },
    })
    const total = files.reduce((sum, file) => sum + file.bytes, 0)
    expect(brought).toEqual({ files: 25, bytes: total, failed: [] })
    expect(last).toBe(total)
    for (const [at, hash] of hashes) expect(await sha256(join(target, at))).toBe(hash)
    expect(await readdir(staging)).toEqual([])
  })

  test('a file that does not open, or is not accepted, is named; the others come', async () => {
    const { far, recovery } = await filled(5, 1000)
    const names = [...byName(await far.remote.list('media')).keys()].sort()
    await truncate(join(far.directory, 'media', names[1] ?? ''), 700)
    const accepted: string[] = []
    const staging = await scratch()
    const brought = await bring(far.remote, 'media', await far.remote.list('media'), {
      identity: identityFor(far, recovery.identity),
      staging,
      async accept(file, path) {
        if (file.name === names[3]) throw new Error('another hash')
        accepted.push(file.name)
        await rm(path)
      },
    })
    expect(brought.files).toBe(3)
    expect(brought.failed).toEqual(
      expect.arrayContaining([
        { name: names[1], problem: expect.stringMatching(/^age: /) },
        { name: names[3], problem: 'another hash' },
      ]),
    )
    expect(accepted.sort()).toEqual([names[0], names[2], names[4]])
    expect(await readdir(staging)).toEqual([])
  })

  test('a file that the far side does not have is an error of the far side', async () => {
    const { far, recovery } = await filled(1, 1000)
    const options = {
      identity: identityFor(far, recovery.identity),
      staging: await scratch(),
      accept: async () => undefined,
    }
    const wanted = [{ name: 'none.jpg.age', bytes: 1200 }]
    await expect(bring(far.remote, 'media', wanted, options)).rejects.toThrow(
      'The far side does not have none.jpg.age',
    )
  })
})

describe.skipIf(missing)('bring one', () => {
  test('a large file is opened on the way, and its hash told', async () => {
    const { far, recovery, source, target } = await filled(0, 0)
    const hash = await randomFile(join(source, 'dump'), 20_000_000)
    const bytes = await seal(
      join(source, 'dump'),
      join(far.directory, 'sets', 'x.database.dump.age'),
      recovery.recipient,
    )
    const file = { name: 'x.database.dump.age', bytes }
    const identity = identityFor(far, recovery.identity)
    let last = 0
    const to = join(target, 'dump')
    const brought = await bringOne(far.remote, 'sets', file, to, { identity, onBytes: (now) => (last = now) })
    expect(brought).toEqual({ bytes: 20_000_000, sha256: hash })
    expect(last).toBe(20_000_000)
    expect(await sha256(to)).toBe(hash)
    expect((await stat(to)).mode & 0o777).toBe(0o600)
  })

  test('cut off, altered, missing or under another key, it leaves nothing', async () => {
    const { far, recovery, source, target } = await filled(0, 0)
    await randomFile(join(source, 'dump'), 3_000_000)
    const at = join(far.directory, 'sets', 'x.database.dump.age')
    const bytes = await seal(join(source, 'dump'), at, recovery.recipient)
    const file = { name: 'x.database.dump.age', bytes }
    const [ours, theirs] = [recovery, await newKey()].map((key) => identityFor(far, key.identity))
    const attempt = (identity = ours) =>
      bringOne(far.remote, 'sets', file, join(target, 'dump'), {
        identity: identity as NonNullable<typeof ours>,
      })
    await expect(attempt(theirs)).rejects.toThrow(/^age: no identity matched/)
    await truncate(at, 2_000_000)
    await expect(attempt()).rejects.toThrow(/^age: /)
    await writeFile(at, 'not sealed at all')
    await expect(attempt()).rejects.toThrow(/^age: /)
    await rm(at)
    await expect(attempt()).rejects.toThrow(/^rclone cat: /)
    expect(await readdir(target)).toEqual([])
  })

  test('what is there is not overwritten', async () => {
    const { far, recovery, target } = await filled(0, 0)
    const to = join(target, 'dump')
    await writeFile(to, 'mine')
    await chmod(to, 0o400)
    const file = { name: 'x.database.dump.age', bytes: 10 }
    const identity = identityFor(far, recovery.identity)
    await expect(bringOne(far.remote, 'sets', file, to, { identity })).rejects.toThrow(/EEXIST/)
    expect((await stat(to)).size).toBe(4)
  })
})
