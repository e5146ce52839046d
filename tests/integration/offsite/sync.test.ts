import { readFile, rename, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sealedBytes } from '../../../scripts/offsite/seal.ts'
import { remoteSets } from '../../../scripts/offsite/sets.ts'
import { syncOffsite } from '../../../scripts/offsite/sync.ts'
import { Secret } from '../../../secrets/secret.ts'
import { programsMissing, randomFile } from './far-side.ts'
import { localHost, SIGNING_KEY } from './local-host.ts'

const missing = programsMissing()
if (missing) console.warn(`skipped: ${missing}`)

const [PHOTO, VOICE] = ['49151/2026/11/photo.jpg', '49151/2026/11/voice.ogg']

describe.skipIf(missing)('sync-offsite', () => {
  test('sends sets and media, and then nothing', async () => {
    const host = await localHost()
    const older = await host.addSet(30)
    const newer = await host.addSet(6)
    await host.addMedia({ [PHOTO]: 70_000, [VOICE]: 0 })
    const first = await syncOffsite(host.options)
    expect(first).toMatchObject({
      newest_set: newer,
      sets: 2,
      sets_sent: 2,
      media: 2,
      media_sent: 2,
      left_out: [],
    })
    expect(first.newest_set_age_seconds).toBeGreaterThanOrEqual(6 * 3600)
    expect(first.newest_set_age_seconds).toBeLessThan(6 * 3600 + 60)
    expect(await host.far.contents('sets')).toEqual(
      [older, newer].flatMap((set) => [
        `${set}.database.dump.age`,
        `${set}.host.tar.age`,
        `${set}.manifest.json`,
      ]),
    )
    expect(await host.far.contents('media')).toEqual([
      '49151_2026_11_photo.jpg.age',
      '49151_2026_11_voice.ogg.age',
    ])
    expect(host.told.at(-1)).toBe(`media ${first.bytes_sent}/${first.bytes_sent}`)

    const at = (await stat(join(host.far.directory, 'sets', `${newer}.manifest.json`))).ctimeMs
    const second = await syncOffsite(host.options)
    expect(second).toMatchObject({
      newest_set: newer,
      sets: 2,
      sets_sent: 0,
      media: 2,
      media_sent: 0,
      bytes_sent: 0,
    })
    expect((await stat(join(host.far.directory, 'sets', `${newer}.manifest.json`))).ctimeMs).toBe(at)
    await expect(stat(host.options.staging)).rejects.toThrow(/ENOENT/)
  })

  test('nothing readable leaves the host, except the manifest and what is sealed already', async () => {
    const host = await localHost()
    const set = await host.addSet(1)
    await host.addMedia({ [PHOTO]: 1000 })
    await syncOffsite(host.options)
    const sent = await Promise.all(
      [`sets/${set}.database.dump.age`, 'media/49151_2026_11_photo.jpg.age'].map((name) =>
        readFile(join(host.far.directory, name), 'latin1'),
      ),
    )
    for (const text of sent) expect(text.startsWith('age-encryption.org/v1\n')).toBe(true)
  })

  test('the newest set goes first, and its manifest last', async () => {
    const host = await localHost()
    const older = await host.addSet(30)
    const newer = await host.addSet(6)
    const order: string[] = []
    const { remote } = host.far
    const watched: typeof remote = {
      ...remote,
      putStream(directory, file, ...rest) {
        order.push(file.name)
        return remote.putStream(directory, file, ...rest)
      },
    }
    await syncOffsite({ ...host.options, remote: watched })
    expect(order).toEqual(
      [newer, older].flatMap((set) => [
        `${set}.database.dump.age`,
        `${set}.host.tar.age`,
        `${set}.manifest.json`,
      ]),
    )
  })

  test.each(['database.dump.age', 'host.tar.age', 'manifest.json'])(
    'an upload of %s that broke off is superseded, and left as it is',
    async (file) => {
      const host = await localHost()
      const set = await host.addSet(1)
      await syncOffsite(host.options)
      const broken = join(host.far.directory, 'sets', `${set}.${file}`)
      await truncate(broken, 100)
      const before = await remoteSets(host.far.remote, SIGNING_KEY)
      expect(before.complete).toEqual([])
      expect(before.broken.map(({ name }) => name)).toEqual([set])
      expect(await syncOffsite(host.options)).toMatchObject({ newest_set: set, sets_sent: 1 })
      expect((await stat(broken)).size).toBe(100)
      expect(await host.far.contents('sets')).toContain(`${set}.${file}.1`)
      const after = await remoteSets(host.far.remote, SIGNING_KEY)
      expect(after.complete.map(({ name }) => name)).toEqual([set])
      expect((await syncOffsite(host.options)).bytes_sent).toBe(0)
    },
  )

  test('a media file that broke off is superseded, again and again', async () => {
    const host = await localHost()
    await host.addMedia({ [PHOTO]: 70_000 })
    await syncOffsite(host.options)
    const name = '49151_2026_11_photo.jpg.age'
    for (const attempt of [1, 2]) {
      const latest = join(host.far.directory, 'media', attempt === 1 ? name : `${name}.1`)
      await truncate(latest, 500)
      expect(await syncOffsite(host.options)).toMatchObject({ media: 1, media_sent: 1 })
      const sent = await stat(join(host.far.directory, 'media', `${name}.${attempt}`))
      expect(sent.size).toBe(sealedBytes(70_000))
    }
  })

  test('a damaged set stays here and is named; the others go', async () => {
    const host = await localHost()
    const good = await host.addSet(30)
    const damaged = await host.addSet(6)
    await host.addMedia({ [PHOTO]: 1000 })
    await randomFile(join(host.options.sets, damaged, 'database.dump'), 100_000)
    await expect(syncOffsite(host.options)).rejects.toThrow(
      new RegExp(`${damaged}/database.dump is damaged: its content is not the one of the manifest.$`),
    )
    expect(await host.far.contents('sets')).toHaveLength(3)
    const there = await remoteSets(host.far.remote, SIGNING_KEY)
    expect(there.complete.map(({ name }) => name)).toEqual([good])
    expect(await host.far.contents('media')).toHaveLength(1)
  })

  test('a set with a manifest of somebody else is named; the others go', async () => {
    const host = await localHost()
    const good = await host.addSet(30)
    const strange = await host.addSet(6)
    const path = join(host.options.sets, strange, 'manifest.json')
    await writeFile(path, (await readFile(path, 'utf8')).replace('wa.test', 'wa.else'))
    await expect(syncOffsite(host.options)).rejects.toThrow(
      new RegExp(`^${strange}: The manifest was not signed`),
    )
    const there = await remoteSets(host.far.remote, SIGNING_KEY)
    expect(there.complete.map(({ name }) => name)).toEqual([good])
  })

  test('a file that cannot be the server’s is named and not sent', async () => {
    const host = await localHost()
    await host.addMedia({ [PHOTO]: 10, '49151/my notes.txt': 10 })
    expect(await syncOffsite(host.options)).toMatchObject({
      media: 1,
      media_sent: 1,
      left_out: ['49151/my notes.txt'],
    })
  })

  test('without sets and snapshots there is nothing to do', async () => {
    const host = await localHost()
    expect(await syncOffsite(host.options)).toMatchObject({
      newest_set: null,
      newest_set_age_seconds: null,
      media: 0,
    })
  })

  test('sealed copies that a killed run left are removed', async () => {
    const host = await localHost()
    const left = join(host.directory, '.offsite.4711.tmp/batch-1/x.age')
    await randomFile(left, 10)
    await syncOffsite(host.options)
    await expect(stat(join(host.directory, '.offsite.4711.tmp'))).rejects.toThrow(/ENOENT/)
  })

  test('a far side without its directories says so', async () => {
    const host = await localHost()
    await host.addSet(1)
    await rename(join(host.far.directory, 'sets'), join(host.far.directory, 'gone'))
    await expect(syncOffsite(host.options)).rejects.toThrow(/rclone lsjson: .*directory not found/)
  })
})

describe.skipIf(missing)('sets of the far side', () => {
  test('newest first, each by its own manifest', async () => {
    const host = await localHost()
    const names = [await host.addSet(30), await host.addSet(20), await host.addSet(10)]
    await syncOffsite(host.options)
    const { complete, broken } = await remoteSets(host.far.remote, SIGNING_KEY)
    expect(complete.map(({ name }) => name)).toEqual(names.toReversed())
    expect(broken).toEqual([])
    expect(complete[0]).toMatchObject({
      dump: { name: `${names[2]}.database.dump.age`, bytes: sealedBytes(100_000) },
      host: { name: `${names[2]}.host.tar.age`, bytes: 5000 },
    })
    const one = await remoteSets(host.far.remote, SIGNING_KEY, [names[1] ?? ''])
    expect(one.complete.map(({ name }) => name)).toEqual([names[1]])
  })

  test('a manifest under another key, or under another name, makes no set', async () => {
    const host = await localHost()
    const set = await host.addSet(1)
    await syncOffsite(host.options)
    const other = await remoteSets(host.far.remote, new Secret('another-key-another-key-another-key'))
    expect(other.complete).toEqual([])
    expect(other.broken).toEqual([
      { name: set, problem: expect.stringMatching(/^The manifest was not signed/) },
    ])

    const at = (name: string) => join(host.far.directory, 'sets', name)
    const later = '20991231T235959Z'
    for (const file of ['database.dump.age', 'host.tar.age', 'manifest.json']) {
      await writeFile(at(`${later}.${file}`), await readFile(at(`${set}.${file}`)))
    }
    const { complete, broken } = await remoteSets(host.far.remote, SIGNING_KEY)
    expect(complete.map(({ name }) => name)).toEqual([set])
    expect(broken).toEqual([{ name: later, problem: `The manifest is of ${set}.` }])
  })
})
