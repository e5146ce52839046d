import { execFileSync, spawnSync } from 'node:child_process'
import { createReadStream, rmSync } from 'node:fs'
import { readdir, readFile, readlink, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPrivateDirectory } from '../../../scripts/lib/private-directory.ts'
import {
  openIdentity,
  plainBytes,
  seal,
  sealedBytes,
  sealStream,
  unseal,
  unsealStream,
} from '../../../scripts/offsite/seal.ts'
import type { Secret } from '../../../secrets/secret.ts'
import { newKey, programsMissing, randomFile, scratch, sha256 } from './far-side.ts'

const missing = programsMissing()
if (missing) console.warn(`skipped: ${missing}`)

async function opened(identity: Secret) {
  const home = await openPrivateDirectory()
  onTestFinished(() => home.remove())
  const open = openIdentity(identity, home.path)
  onTestFinished(() => open[Symbol.dispose]())
  return { open, home }
}

test('the length of what is sealed can be foretold, and turned back', () => {
  fc.assert(
    fc.property(fc.nat(10_000_000), (plain) => {
      expect(plainBytes(sealedBytes(plain))).toBe(plain)
    }),
  )
  expect(plainBytes(100)).toBeUndefined()
  // One byte into a new chunk, and no byte of it.
  expect(plainBytes(sealedBytes(65_536) + 16)).toBeUndefined()
})

describe.skipIf(missing)('age of the distribution', () => {
  test.each([0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_003])(
    'seals %i bytes to the length foretold, and gives them back',
    async (bytes) => {
      const directory = await scratch()
      const { identity, recipient } = await newKey()
      const [plain, sealed, back] = ['plain', 'sealed', 'back'].map((name) => join(directory, name)) as [
        string,
        string,
        string,
      ]
      const hash = await randomFile(plain, bytes)
      expect(await seal(plain, sealed, recipient)).toBe(sealedBytes(bytes))
      const { open } = await opened(identity)
      await unseal(sealed, back, open)
      expect(await sha256(back)).toBe(hash)
      expect((await stat(back)).mode & 0o777).toBe(0o600)
    },
  )

  test('as a stream too', async () => {
    const directory = await scratch()
    const { identity, recipient } = await newKey()
    await randomFile(join(directory, 'plain'), 3_000_000)
    const sealed = sealStream(join(directory, 'plain'), recipient, 30)
    const bytes = await buffer(sealed.stream)
    await sealed.done
    expect(bytes.length).toBe(sealedBytes(3_000_000))
    await writeFile(join(directory, 'sealed'), bytes)
    const { open } = await opened(identity)
    const back = unsealStream(createReadStream(join(directory, 'sealed')), open, 30)
    const plain = await buffer(back.stream)
    await back.done
    expect(plain.equals(await readFile(join(directory, 'plain')))).toBe(true)
  })

  test('another key opens nothing and leaves nothing', async () => {
    const directory = await scratch()
    const [ours, theirs] = await Promise.all([newKey(), newKey()])
    await randomFile(join(directory, 'plain'), 1000)
    await seal(join(directory, 'plain'), join(directory, 'sealed'), ours.recipient)
    const { open } = await opened(theirs.identity)
    await expect(unseal(join(directory, 'sealed'), join(directory, 'back'), open)).rejects.toThrow(
      /^age: no identity matched/,
    )
    expect((await readdir(directory)).sort()).toEqual(['plain', 'sealed'])
  })

  test('cut off or altered anywhere, it does not open and leaves nothing', async () => {
    const directory = await scratch()
    const { identity, recipient } = await newKey()
    const sealed = join(directory, 'sealed')
    await randomFile(join(directory, 'plain'), 200_000)
    const length = await seal(join(directory, 'plain'), sealed, recipient)
    const good = await readFile(sealed)
    const { open } = await opened(identity)
    for (let round = 0; round < 12; round += 1) {
      const at = Math.floor((length / 12) * (round + Math.random()))
      const flipped = Buffer.from(good)
      flipped.writeUInt8((flipped[at] ?? 0) ^ 1, at)
      await writeFile(sealed, flipped)
      await expect(unseal(sealed, join(directory, 'back'), open)).rejects.toThrow(/^age: /)
      await writeFile(sealed, good)
      await truncate(sealed, at)
      await expect(unseal(sealed, join(directory, 'back'), open)).rejects.toThrow(/^age: /)
    }
    expect((await readdir(directory)).sort()).toEqual(['plain', 'sealed'])
  })

  test('a stream that is cut off says so', async () => {
    const directory = await scratch()
    const { identity, recipient } = await newKey()
    const sealed = join(directory, 'sealed')
    await randomFile(join(directory, 'plain'), 200_000)
    await seal(join(directory, 'plain'), sealed, recipient)
    await truncate(sealed, 150_000)
    const { open } = await opened(identity)
    const back = unsealStream(createReadStream(sealed), open, 30)
    back.stream.resume()
    await expect(back.done).rejects.toThrow(/^age: /)
  })

  test('no name leads to an open identity, and it is in memory', async () => {
    const { identity } = await newKey()
    const { open, home } = await opened(identity)
    expect(await readdir(home.path)).toEqual([])
    expect(await readlink(`/proc/self/fd/${open.fd}`)).toMatch(/^\/(run|dev\/shm)\/.*\(deleted\)$/)
  })

  test('what fails says which file', async () => {
    const directory = await scratch()
    const { recipient } = await newKey()
    await expect(seal(join(directory, 'none'), join(directory, 'sealed'), recipient)).rejects.toThrow(/none/)
    await expect(seal(directory, join(directory, 'sealed'), recipient)).rejects.toThrow(/^age: /)
    expect(await readdir(directory)).toEqual([])
  })
})

describe('private directory', () => {
  test('is mine alone, in memory, and goes', async () => {
    const home = await openPrivateDirectory()
    expect((await stat(home.path)).mode & 0o777).toBe(0o700)
    await writeFile(join(home.path, 'key'), 'x')
    await home.remove()
    await expect(stat(home.path)).rejects.toThrow(/ENOENT/)
  })

  test('a disk is refused', async () => {
    await expect(openPrivateDirectory(process.cwd())).rejects.toThrow(/on a disk/)
  })

  test('what a killed process left is removed, what a living one has stays', async () => {
    const base = (await openPrivateDirectory()).path
    onTestFinished(() => rmSync(base, { recursive: true }))
    const dead = spawnSync('true').pid
    execFileSync('mkdir', [
      join(base, `whatsapp-mcp-private.${dead}.abcdef`),
      join(base, `whatsapp-mcp-private.1.abcdef`),
    ])
    const home = await openPrivateDirectory(base)
    expect((await readdir(base)).sort()).toEqual(
      [home.path.slice(base.length + 1), 'whatsapp-mcp-private.1.abcdef'].sort(),
    )
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('goes with a process that gets %s', async (signal) => {
    const program = `
      const { openPrivateDirectory } = await import('${new URL('../../../scripts/lib/private-directory.ts', import.meta.url)}')
      process.stdout.write((await openPrivateDirectory()).path)
      process.kill(process.pid, '${signal}')
      setTimeout(() => {}, 20_000)`
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program])
    expect(ended.signal).toBe(signal)
    await expect(stat(ended.stdout.toString())).rejects.toThrow(/ENOENT/)
  })
})
