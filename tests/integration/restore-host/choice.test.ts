import { copyFile, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Refused } from '../../../scripts/lib/fail.ts'
import { Choice } from '../../../scripts/restore-host/choice.ts'
import { bringDump } from '../../../scripts/restore-host/database.ts'
import { BadSet } from '../../../scripts/restore-host/sets.ts'
import { Secret } from '../../../secrets/secret.ts'
import { newKey, programsMissing, scratch } from '../offsite/far-side.ts'
import { DOMAIN, flip, type LostHost, lostHost } from './lost-host.ts'

const missing = programsMissing()
if (missing) console.warn(`skipped: ${missing}`)

const [OLD, NEW, NEWEST] = ['20261101T000000Z', '20261102T000000Z', '20261103T000000Z'] as const
const quiet = () => undefined

function first({ far, signingKey, identity, sopsYaml }: LostHost, only?: string) {
  const choice = new Choice(far.remote, signingKey, only)
  return { choice, chosen: choice.first(far.remote, identity, sopsYaml) }
}

describe.skipIf(missing)('the set to restore', () => {
  test('is the newest, with the host it was made on', async () => {
    const lost = await lostHost()
    for (const name of [OLD, NEWEST, NEW]) await lost.addSet(name)
    const { choice, chosen } = first(lost)
    const { set, host } = await chosen
    expect(set.name).toBe(NEWEST)
    expect(host.domain).toBe(DOMAIN)
    expect(host.key.reveal()).toBe(lost.hostKey.identity.reveal())
    expect(host.certificateEnds).toBeUndefined()
    const link = join(host.directory, `etc/letsencrypt/live/${DOMAIN}/fullchain1.pem`)
    expect(await readFile(link, 'utf8')).toBe('not a certificate\n')
    // The audit archive is large and goes straight to its place.
    await expect(
      readFile(join(host.directory, 'var/lib/whatsapp-mcp/audit/2026/11/audit-1-2.ndjson.gz')),
    ).rejects.toThrow('ENOENT')
    expect(choice.passedOver).toEqual([])
    expect((await choice.next())?.name).toBe(NEW)
    expect((await choice.next())?.name).toBe(OLD)
    expect(await choice.next()).toBeUndefined()
  })

  const faults: [string, (lost: LostHost) => Promise<unknown>, RegExp][] = [
    [
      'was signed with another key',
      (lost) => lost.addSet(NEWEST, { key: new Secret('b'.repeat(64)) }),
      /not signed/,
    ],
    [
      'lost its dump',
      (lost) => rm(join(lost.far.directory, 'sets', `${NEWEST}.database.dump.age`)),
      /database\.dump/,
    ],
    [
      'has a dump that was cut off',
      (lost) => truncate(join(lost.far.directory, 'sets', `${NEWEST}.database.dump.age`), 1000),
      /database\.dump/,
    ],
    ['has altered host files', (lost) => flip(lost.far, `sets/${NEWEST}.host.tar.age`), /SHA-256/],
    ['has an altered manifest', (lost) => flip(lost.far, `sets/${NEWEST}.manifest.json`), /manifest/],
  ]
  test.each(faults)('is the one before when the newest %s', async (_, spoil, says) => {
    const lost = await lostHost()
    await lost.addSet(NEW)
    if (!spoil.toString().includes('addSet')) await lost.addSet(NEWEST)
    await spoil(lost)
    const { choice, chosen } = first(lost)
    expect((await chosen).set.name).toBe(NEW)
    expect(choice.passedOver).toEqual([{ name: NEWEST, problem: expect.stringMatching(says) }])
  })

  test('is never another than the one asked for', async () => {
    const lost = await lostHost()
    for (const name of [NEW, NEWEST]) await lost.addSet(name)
    expect((await first(lost, NEW).chosen).set.name).toBe(NEW)
    await flip(lost.far, `sets/${NEW}.host.tar.age`)
    await expect(first(lost, NEW).chosen).rejects.toThrow(Refused)
    await expect(first(lost, OLD).chosen).rejects.toThrow(`${OLD} is not on the far side`)
  })

  test('must be there at all, and whole: a set without a manifest was never finished', async () => {
    const lost = await lostHost()
    await expect(first(lost).chosen).rejects.toThrow('it holds no finished set')
    await lost.addSet(NEW)
    await rm(join(lost.far.directory, 'sets', `${NEW}.manifest.json`))
    await expect(first(lost).chosen).rejects.toThrow('it holds no finished set')
  })

  test('is refused when its host key was rotated since: that is not a damage', async () => {
    const lost = await lostHost()
    await lost.addSet(NEW)
    const [text, { recipient }] = await Promise.all([readFile(lost.sopsYaml, 'utf8'), newKey()])

    await writeFile(lost.sopsYaml, text.replaceAll(lost.hostKey.recipient, recipient))
    await expect(first(lost).chosen).rejects.toThrow(/rotated after this backup/)
  })
})

describe.skipIf(missing)('the dump', () => {
  test('is brought and opened; a second time it is there already', async () => {
    const lost = await lostHost()
    const dump = await lost.addSet(NEW)
    const { set } = await first(lost).chosen
    const directory = await scratch()
    const path = await bringDump(set, lost.far.remote, lost.identity, quiet, directory)
    expect((await readFile(path)).equals(dump)).toBe(true)
    await rm(join(lost.far.directory, 'sets', `${NEW}.database.dump.age`))
    expect(await bringDump(set, lost.far.remote, lost.identity, quiet, directory)).toBe(path)
  })

  test('that was altered makes the set a bad one, and leaves no file', async () => {
    const lost = await lostHost()
    await lost.addSet(NEW)
    const { set } = await first(lost).chosen
    await flip(lost.far, `sets/${NEW}.database.dump.age`)
    const directory = await scratch()
    await expect(bringDump(set, lost.far.remote, lost.identity, quiet, directory)).rejects.toThrow(BadSet)
    await expect(readFile(join(directory, 'database.dump'))).rejects.toThrow('ENOENT')
  })

  test('of somebody else, sealed to the same public key, is not taken', async () => {
    const lost = await lostHost()
    await lost.addSet(NEW)
    const { set } = await first(lost).chosen
    await lost.addSet(OLD)

    const sets = join(lost.far.directory, 'sets')
    await copyFile(join(sets, `${OLD}.database.dump.age`), join(sets, `${NEW}.database.dump.age`))
    await expect(bringDump(set, lost.far.remote, lost.identity, quiet, await scratch())).rejects.toThrow(
      /altered/,
    )
  })

  test('on a far side that does not answer is no reason to take an older set', async () => {
    const lost = await lostHost()
    await lost.addSet(NEW)
    const { set } = await first(lost).chosen
    await rm(lost.far.directory, { recursive: true })
    const failure: unknown = await bringDump(
      set,
      lost.far.remote,
      lost.identity,
      quiet,
      await scratch(),
    ).catch((e: unknown) => e)
    expect(failure).toBeInstanceOf(Error)
    expect(failure).not.toBeInstanceOf(BadSet)
  })
})
