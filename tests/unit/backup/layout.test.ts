import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  dateOf,
  listSets,
  MANIFEST,
  openSet,
  publish,
  removeSet,
  setName,
  withWorkingDirectory,
} from '../../../scripts/backup/layout.ts'
import { formatManifest, signManifest } from '../../../scripts/backup/manifest.ts'
import { Secret } from '../../../secrets/secret.ts'

const KEY = new Secret('ab'.repeat(32))
const NAME = '20261121T074605Z'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-layout-'))
})
afterEach(() => rm(directory, { recursive: true }))

const manifestOf = (name: string, key = KEY) =>
  formatManifest(
    signManifest(
      {
        version: 1,
        name,
        created: dateOf(name).toISOString(),
        commit: 'unknown',
        host: 'wa',
        seconds: 0,
        database: { name: 'wa_mcp', server_version: '18', migration: '1', tables: [] },
        files: [],
        images: {},
        media: { files: 0, bytes: 0 },
      },
      key,
    ),
  )

describe('names of sets', () => {
  it('are UTC times, and read back', () => {
    expect(setName(new Date('2026-11-21T08:46:05.999+01:00'))).toBe(NAME)
    expect(dateOf(NAME).toISOString()).toBe('2026-11-21T07:46:05.000Z')
    expect(() => dateOf('../../etc')).toThrow('"../../etc" is not the name of a backup set.')
  })
})

describe('sets in a directory', () => {
  it('are listed newest first, without what is being made; none where there is no directory', async () => {
    for (const name of ['20261120T000000Z', NAME, `.${NAME}.12.tmp`, 'lost+found'])
      await mkdir(join(directory, name))
    expect(await listSets(directory)).toEqual([NAME, '20261120T000000Z'])
    expect(await listSets(join(directory, 'missing'))).toEqual([])
  })

  it('appear whole under their name, and stay when another would take it', async () => {
    const make = (text: string) =>
      withWorkingDirectory(directory, NAME, async (working) => {
        expect((await stat(working)).mode & 0o777).toBe(0o700)
        expect(await listSets(directory)).toEqual(text === 'first' ? [] : [NAME])
        await writeFile(join(working, MANIFEST), manifestOf(NAME))
        await publish(working, directory, NAME)
      })
    await make('first')
    await expect(make('second')).rejects.toThrow(/exists and is not replaced/)
    expect(await readdir(directory)).toEqual([NAME])
    await mkdir(join(directory, 'made'))
    await expect(publish(join(directory, 'made'), join(directory, 'nowhere'), NAME)).rejects.toThrow('ENOENT')
    expect((await openSet(directory, NAME, KEY)).manifest.name).toBe(NAME)
  })

  it('leave nothing when their making fails, nor when it was killed and another is made', async () => {
    const failing = withWorkingDirectory(directory, NAME, () => Promise.reject(new Error('no')))
    await expect(failing).rejects.toThrow('no')
    expect(await readdir(directory)).toEqual([])
    await mkdir(join(directory, '.20261101T000000Z.99.tmp', 'deep'), { recursive: true })
    await mkdir(join(directory, '.other.tmp'))
    await withWorkingDirectory(directory, NAME, (working) => publish(working, directory, NAME))
    expect((await readdir(directory)).sort()).toEqual(['.other.tmp', NAME])
  })

  it('are removed whole, and by their name only', async () => {
    await mkdir(join(directory, NAME, 'deep'), { recursive: true })
    await removeSet(directory, NAME)
    expect(await readdir(directory)).toEqual([])
    await expect(removeSet(directory, '..')).rejects.toThrow('is not the name')
  })

  it('are opened only with a manifest of their own', async () => {
    const at = async (text?: string) => {
      await mkdir(join(directory, NAME), { recursive: true })
      if (text !== undefined) await writeFile(join(directory, NAME, MANIFEST), text)
      return openSet(directory, NAME, KEY)
    }
    await expect(at()).rejects.toThrow(`There is no backup set ${NAME}`)
    await expect(at(manifestOf('20260101T000000Z'))).rejects.toThrow('is the manifest of 20260101T000000Z')
    await expect(at(manifestOf(NAME, new Secret('cd'.repeat(32))))).rejects.toThrow('not signed')
    await expect(openSet(directory, '../x', KEY)).rejects.toThrow('is not the name')
  })
})
