import { createHash } from 'node:crypto'
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeHashed } from '../../../scripts/backup/write-hashed.ts'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'write-hashed-'))
  path = join(directory, 'file')
})
afterEach(() => rm(directory, { recursive: true }))

const chunks = Array.from({ length: 300 }, (_, n) => Buffer.alloc(10_000, n))
const whole = Buffer.concat(chunks)
const sha256 = createHash('sha256').update(whole).digest('hex')

describe('writeHashed', () => {
  it('writes, hashes and passes on the same bytes, to a reader that is slower', async () => {
    const read: Buffer[] = []
    const also = new Writable({
      highWaterMark: 1000,
      write(chunk: Buffer, _encoding, done) {
        read.push(chunk)
        setTimeout(done, 1)
      },
    })
    let waiting = 0
    async function* watched() {
      for (const chunk of chunks) {
        waiting = Math.max(waiting, also.writableLength)
        yield chunk
      }
    }
    expect(await writeHashed(Readable.from(watched(), { highWaterMark: 1 }), path, also)).toEqual({
      bytes: whole.length,
      sha256,
    })
    expect((await readFile(path)).equals(whole)).toBe(true)
    await finished(also)
    expect(Buffer.concat(read).equals(whole)).toBe(true)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(waiting).toBeLessThanOrEqual(20_000)
  })

  it('goes on when the reader goes away: its own end is told by whoever started it', async () => {
    const also = new Writable({
      highWaterMark: 10,
      write: (_chunk, _encoding, done) => done(new Error('gone')),
    })
    also.on('error', () => undefined)
    expect(await writeHashed(Readable.from(chunks), path, also)).toMatchObject({ sha256 })
  })

  it('goes on when the reader goes away while it is waited for', async () => {
    const also = new Writable({ highWaterMark: 10, write: () => setTimeout(() => also.destroy(), 50) })
    expect(await writeHashed(Readable.from(chunks), path, also)).toMatchObject({ sha256 })
  })

  it('notices a file that reads back otherwise', async () => {
    async function* flipped() {
      yield* chunks
      const file = await open(path, 'r+')
      await file.write(Buffer.from([99]), 0, 1, 1_000_000)
      await file.close()
    }
    await expect(writeHashed(Readable.from(flipped()), path)).rejects.toThrow('reads back otherwise')
  })

  it('never writes into a file that is there', async () => {
    await writeHashed(Readable.from(chunks), path)
    await expect(writeHashed(Readable.from(chunks), path)).rejects.toThrow('EEXIST')
  })
})
