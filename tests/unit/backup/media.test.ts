import { execFileSync } from 'node:child_process'
import {
  cp,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listSets, MEDIA_LIST } from '../../../scripts/backup/layout.ts'
import { proveMedia, readMediaList, snapshotMedia } from '../../../scripts/backup/media.ts'

let root: string
let source: string
let directory: string
let clock = Date.UTC(2026, 10, 21)
const quiet = () => {}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'backup-media-'))
  source = join(root, 'media')
  directory = join(root, 'backups')
  await put('2001/2026/11/a.jpg', 'first')
  await put('2001/2026/11/b.ogg', 'second')
  await put('.tmp/half', 'half')
})
afterEach(() => rm(root, { recursive: true }))

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(source, path)), { recursive: true })
  await writeFile(join(source, path), text)
}

const snapshot = () => {
  clock += 6 * 3_600_000
  return snapshotMedia({ source, directory, progress: quiet, now: new Date(clock) })
}

describe('media snapshots', () => {
  it('hold every finished file by a hard link, and a list that sha256sum checks', async () => {
    const before = await stat(join(source, '2001/2026/11/a.jpg'))
    const made = await snapshot()
    expect(made).toMatchObject({ files: 2, bytes: 11, added: 2, altered: [], removed: [] })
    const at = join(directory, made.name)
    const inside = await stat(join(at, '2001/2026/11/a.jpg'))
    expect(inside.ino).toBe(before.ino)
    expect([inside.mode, inside.uid]).toEqual([before.mode, before.uid])
    expect((await readdir(at)).sort()).toEqual(['2001', MEDIA_LIST])
    expect(
      execFileSync('sha256sum', ['--check', '--strict', MEDIA_LIST], { cwd: at, encoding: 'utf8' }),
    ).toBe('2001/2026/11/a.jpg: OK\n2001/2026/11/b.ogg: OK\n')
    expect(await proveMedia(directory, quiet)).toEqual({ name: made.name, files: 2 })
  })

  it('hash a file once, when it is new, and keep what the server removes', async () => {
    const first = await snapshot()
    await put('2001/2026/12/c.jpg', 'third')
    await rm(join(source, '2001/2026/11/b.ogg'))
    const second = await snapshot()
    expect(second).toMatchObject({ files: 2, added: 1 })
    expect(await readFile(join(directory, first.name, '2001/2026/11/b.ogg'), 'utf8')).toBe('second')
    expect([...(await readMediaList(join(directory, second.name))).keys()]).toEqual([
      '2001/2026/11/a.jpg',
      '2001/2026/12/c.jpg',
    ])
  })

  it('notice a flipped bit in the live file, which is theirs too', async () => {
    await snapshot()
    await snapshot()
    const live = await stat(join(source, '2001/2026/11/a.jpg'))
    await writeFile(join(source, '2001/2026/11/a.jpg'), 'firsu')
    expect((await stat(join(source, '2001/2026/11/a.jpg'))).ino).toBe(live.ino)
    for (let n = 0; n < 2; n += 1) {
      await expect(proveMedia(directory, quiet)).rejects.toMatchObject({
        message: expect.stringContaining('1 of 2 media files'),
        output: '2001/2026/11/a.jpg is not what it was when it was new',
      })
      await snapshot()
    }
  })

  it('keep the file they know when another was put in its place, and say so', async () => {
    await snapshot()
    await writeFile(join(root, 'other'), 'something else')
    await rename(join(root, 'other'), join(source, '2001/2026/11/a.jpg'))
    const made = await snapshot()
    expect(made.altered).toEqual(['2001/2026/11/a.jpg'])
    expect(await readFile(join(directory, made.name, '2001/2026/11/a.jpg'), 'utf8')).toBe('first')
    expect(await proveMedia(directory, quiet)).toMatchObject({ files: 2 })
  })

  it('notice what is missing from them', async () => {
    expect(await proveMedia(directory, quiet)).toBeUndefined()
    const made = await snapshot()
    await rm(join(directory, made.name, '2001/2026/11/a.jpg'))
    await expect(proveMedia(directory, quiet)).rejects.toMatchObject({
      output: '2001/2026/11/a.jpg is missing',
    })
  })

  it('end where the list of the one before is damaged, naming the remedy', async () => {
    const made = await snapshot()
    const list = join(directory, made.name, MEDIA_LIST)
    await truncate(list, 100)
    await expect(snapshot()).rejects.toMatchObject({
      message: `${list} is missing or damaged`,
      next: expect.stringContaining('rm -r'),
    })
    expect(await listSets(directory)).toEqual([made.name])
  })

  it('refuse files that are none of the server’s', async () => {
    await put('line\nbreak', 'x')
    await expect(snapshot()).rejects.toThrow('"line\\nbreak" in')
    expect(await listSets(directory)).toEqual([])
  })

  it('never follow a link: whoever planted it would be handed what root may read', async () => {
    await symlink('/etc/shadow', join(source, '2001/2026/11/z.jpg'))
    await expect(snapshot()).rejects.toThrow('z.jpg is a link, or no file at all')
    expect(await readdir(directory)).toEqual([])
  })

  it('go by the same rule as sets', async () => {
    for (let n = 0; n < 9; n += 1) await snapshot()
    const left = await listSets(directory)
    expect(left.length).toBeLessThan(9)
    expect(left.length).toBeGreaterThanOrEqual(3)
  })

  it('clean up after one that was killed', async () => {
    const made = await snapshot()
    const killed = join(directory, '.20261121T120000Z.4.tmp')
    await cp(join(directory, made.name), killed, { recursive: true })
    await link(join(source, '2001/2026/11/a.jpg'), join(killed, 'half'))
    await snapshot()
    expect((await readdir(directory)).filter((name) => name.startsWith('.'))).toEqual([])
  })
})
