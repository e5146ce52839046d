import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { decryptSops } from 'sops-age'
import { describe, expect, it } from 'vitest'
import { formatRecipients } from '../../../secrets/recipients.ts'
import { Secret } from '../../../secrets/secret.ts'
import { change, create, open, rewrap, rotate } from '../../../secrets/sops.ts'
import { type Key, newKey, scratch } from '../../unit/secrets/fixtures.ts'

const VALUES: Readonly<Record<string, string>> = {
  plain: 'hello',
  digits: '0123',
  boolean: 'true',
  date: '2026-01-02',
  float: '1e5',
  quotes: `it's "quoted": # not a comment, {nor} [a] &map *either`,
  unicode: 'Zürich 🎉 ‹›',
  spaces: '  around  ',
  lines: 'one\ntwo\r\nthree\n',
  tab: 'a\tb',
  long: 'x'.repeat(5000),
  envelope: 'ENC[AES256_GCM,data:QQ==,iv:QQ==,tag:QQ==,type:str]',
}

const secrets = () => new Map(Object.entries(VALUES).map(([name, value]) => [name, new Secret(value)]))

function plain(values: ReadonlyMap<string, Secret>): Record<string, string> {
  return Object.fromEntries([...values].map(([name, value]) => [name, value.reveal()]))
}

describe('an independent reader (sops-age)', () => {
  it('reads what is created, changed, re-wrapped and rotated', async () => {
    const [host, recovery] = [await newKey(), await newKey()]
    const read = async (text: string, key: Key) =>
      decryptSops(text, { fileType: 'yaml', secretKey: key.identity.reveal() })
    const created = await create(secrets(), [host.recipient, recovery.recipient])
    expect(await read(created, host)).toEqual(VALUES)
    expect(await read(created, recovery)).toEqual(VALUES)
    const opened = await open(created, host.identity)
    const changed = change(opened, secrets().set('plain', new Secret('other')))
    expect(await read(changed, recovery)).toEqual({ ...VALUES, plain: 'other' })
    expect(await read(await rewrap(opened, [recovery.recipient]), recovery)).toEqual(VALUES)
    expect(await read(await rotate(opened, [host.recipient]), host)).toEqual(VALUES)
  })
})

function findSops(): string | undefined {
  const goPath = process.env.GOPATH ?? join(homedir(), 'go')
  const places = [...(process.env.PATH ?? '').split(delimiter), join(goPath, 'bin')]
  return places.map((place) => join(place, 'sops')).find((path) => existsSync(path))
}

const sopsBinary = findSops()
if (!sopsBinary) {
  console.warn('skipped: the sops binary is neither on PATH nor in $(go env GOPATH)/bin; .ci/run installs it')
}

/** A repository with a file in it, and sops run there with the host's key. */
async function withSops(text: string | undefined, roles: { role: string; key: Key }[]) {
  const directory = await scratch()
  const file = join(directory, 'secrets/secrets.enc.yaml')
  await mkdir(join(directory, 'secrets'))
  await writeFile(
    join(directory, '.sops.yaml'),
    formatRecipients(roles.map(({ role, key }) => ({ role, recipient: key.recipient }))),
  )
  if (text !== undefined) await writeFile(file, text)
  const sops = (key: Key, args: string[], input = '', env: Record<string, string> = {}) => {
    const run = spawnSync(sopsBinary ?? '', args, {
      cwd: directory,
      input,
      encoding: 'utf8',
      env: { ...env, SOPS_AGE_KEY: key.identity.reveal(), SOPS_DISABLE_VERSION_CHECK: '1', HOME: directory },
    })
    return { status: run.status, stdout: run.stdout, stderr: run.stderr }
  }
  return { directory, sops, read: () => readFile(file, 'utf8') }
}

/** Names of the lines that differ between two texts of the same length. */
function differing(before: string, after: string): string[] {
  const [a, b] = [before.split('\n'), after.split('\n')]
  expect(b.length).toBe(a.length)
  return a.flatMap((line, index) => (line === b[index] ? [] : [line.trim().split(':')[0] ?? '']))
}

const FILE = 'secrets/secrets.enc.yaml'
/** Long enough ago that a new time differs in its whole seconds. */
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1100))

describe.skipIf(!sopsBinary)('the sops binary (needs it on PATH or in $(go env GOPATH)/bin)', () => {
  const keys = async () => {
    const [host, recovery] = [await newKey(), await newKey()]
    const roles = [
      { role: 'host', key: host },
      { role: 'recovery', key: recovery },
    ]
    return { host, recovery, roles, recipients: [host.recipient, recovery.recipient] }
  }

  it('opens what we write, with either key, and refuses a stranger', async () => {
    const { host, recovery, roles, recipients } = await keys()
    const { sops } = await withSops(await create(secrets(), recipients), roles)
    for (const key of [host, recovery]) {
      const { status, stdout, stderr } = sops(key, ['decrypt', '--output-type', 'json', FILE])
      expect(stderr).toBe('')
      expect(status).toBe(0)
      expect(JSON.parse(stdout)).toEqual(VALUES)
    }
    expect(sops(await newKey(), ['decrypt', FILE]).status).toBe(128)
  })

  it('writes what we open, laid out exactly as we would', async () => {
    const { host, recovery, roles } = await keys()
    const { sops, directory } = await withSops(undefined, roles)
    const yaml = Object.entries(VALUES).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    await writeFile(join(directory, 'secrets/plain.json'), JSON.stringify(VALUES))
    await writeFile(join(directory, 'secrets/plain.yaml'), yaml.join(''))
    const { status, stdout, stderr } = sops(host, [
      'encrypt',
      '--filename-override',
      FILE,
      'secrets/plain.yaml',
    ])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const opened = await open(stdout, recovery.identity)
    expect(plain(opened.values)).toEqual(VALUES)
    expect(change(opened, opened.values)).toBe(stdout)
    expect(
      await rewrap(
        opened,
        opened.document.age.map((key) => key.recipient),
      ),
    ).toBe(stdout)
  })

  it('changes one value of ours in three lines, and we one of its', async () => {
    const { host, roles, recipients } = await keys()
    const first = await create(secrets(), recipients)
    const { sops, read } = await withSops(first, roles)
    await nextSecond()
    expect(sops(host, ['set', '--value-stdin', FILE, '["plain"]'], '"by sops"').status).toBe(0)
    const second = await read()
    expect(differing(first, second)).toEqual(['plain', 'lastmodified', 'mac'])
    const opened = await open(second, host.identity)
    expect(plain(opened.values)).toEqual({ ...VALUES, plain: 'by sops' })
    await nextSecond()
    const third = change(opened, new Map(opened.values).set('plain', new Secret('by us')))
    expect(differing(second, third)).toEqual(['plain', 'lastmodified', 'mac'])
    const again = await withSops(third, roles)
    expect(again.sops(host, ['decrypt', '--extract', '["plain"]', FILE]).stdout).toBe('by us')
  })

  it('edits, rotates and updates keys; we read on', async () => {
    const { host, recovery, roles, recipients } = await keys()
    const first = await create(secrets(), [host.recipient])
    const { sops, read } = await withSops(first, roles)
    expect(sops(host, ['updatekeys', '-y', FILE]).status).toBe(0)
    const wrapped = await open(await read(), recovery.identity)
    expect(wrapped.document.age.map((key) => key.recipient).sort()).toEqual([...recipients].sort())
    expect(sops(host, ['rotate', '-i', FILE]).status).toBe(0)
    expect(plain((await open(await read(), recovery.identity)).values)).toEqual(VALUES)
    const editor = { SOPS_EDITOR: 'sed -i s/hello/edited/', PATH: process.env.PATH ?? '' }
    await nextSecond()
    const before = await read()
    expect(sops(host, ['edit', FILE], '', editor).status).toBe(0)
    expect(differing(before, await read())).toEqual(['plain', 'lastmodified', 'mac'])
    expect(sops(host, ['unset', FILE, '["tab"]']).status).toBe(0)
    const { values } = await open(await read(), host.identity)
    expect(values.get('plain')?.reveal()).toBe('edited')
    expect(values.has('tab')).toBe(false)
  })

  it('reads on after our rotate and our change of recipients', async () => {
    const { host, recovery, roles, recipients } = await keys()
    const opened = await open(await create(secrets(), recipients), host.identity)
    const rotated = await withSops(await rotate(opened, recipients), roles)
    expect(JSON.parse(rotated.sops(recovery, ['decrypt', '--output-type', 'json', FILE]).stdout)).toEqual(
      VALUES,
    )
    const rewrapped = await withSops(await rewrap(opened, [host.recipient]), roles)
    expect(rewrapped.sops(host, ['decrypt', FILE]).status).toBe(0)
    expect(rewrapped.sops(recovery, ['decrypt', FILE]).status).toBe(128)
  })

  it('agrees with us that a removed value breaks the MAC', async () => {
    const { host, roles, recipients } = await keys()
    const cut = (await create(secrets(), recipients)).replace(/^plain: .*\n/m, '')
    const { sops } = await withSops(cut, roles)
    expect(sops(host, ['decrypt', FILE]).status).toBe(51)
    await expect(open(cut, host.identity)).rejects.toThrow(/MAC does not match/)
  })
})
