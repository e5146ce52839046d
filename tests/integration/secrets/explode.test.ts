import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { explode, inspectExploded } from '../../../secrets/explode.ts'
import { CONSUMERS, type Consumer, SECRET_NAMES, type SecretName, specOf } from '../../../secrets/schema.ts'
import { Secret } from '../../../secrets/secret.ts'
import { allSecrets, scratch } from '../../unit/secrets/fixtures.ts'

const isRoot = process.getuid?.() === 0
/** Owners can be set by root only; everything else is checked for any user. */
const o = { chown: isRoot }

async function place(): Promise<string> {
  return join(await scratch(), 'secrets')
}

function readers(name: SecretName): readonly Consumer[] {
  return specOf(name).consumers
}

async function snapshot(dir: string): Promise<string[]> {
  const names = (await readdir(dir, { recursive: true })).sort()
  return Promise.all(
    names.map(async (name) => {
      const found = await stat(join(dir, name))
      const content = found.isFile() ? await readFile(join(dir, name), 'utf8') : ''
      return `${name} ${found.mode.toString(8)} ${found.uid}:${found.gid} ${found.ino} ${content}`
    }),
  )
}

describe('exploding secrets', () => {
  it('gives every consumer its own values, byte for byte, and nobody else', async () => {
    const dir = await place()
    const values = allSecrets()
    await explode(values, dir, o)
    for (const consumer of Object.keys(CONSUMERS) as Consumer[]) {
      const expected = SECRET_NAMES.filter((name) => readers(name).includes(consumer))
      expect((await readdir(join(dir, consumer))).sort()).toEqual([...expected].sort())
      for (const name of expected) {
        expect(await readFile(join(dir, consumer, name), 'utf8')).toBe(values.get(name)?.reveal())
      }
    }
    expect(await inspectExploded(values, dir, o)).toEqual([])
  })

  it('gives the secrets of further numbers and apps to the server only', async () => {
    const dir = await place()
    const name = 'wa_access_token_104857600000001'
    const values = new Map<SecretName, Secret>([...allSecrets(), [name, new Secret('token-of-one-number')]])
    await explode(values, dir, o)
    expect(await readFile(join(dir, 'app', name), 'utf8')).toBe('token-of-one-number')
    for (const other of ['migrate', 'postgres']) expect(await readdir(join(dir, other))).not.toContain(name)
    expect((await explode(allSecrets(), dir, o)).removed).toEqual([`app/${name}`])
  })

  it('sets modes whatever the umask', async () => {
    const dir = await place()
    const umask = process.umask(0o077)
    try {
      await explode(allSecrets(), dir, o)
    } finally {
      process.umask(umask)
    }
    const mode = async (path: string) => ((await stat(join(dir, path))).mode & 0o7777).toString(8)
    expect([await mode('.'), await mode('app'), await mode('app/wa_app_secret')]).toEqual([
      '700',
      '750',
      '640',
    ])
  })

  it.skipIf(!isRoot)('sets owners (needs root)', async () => {
    const dir = await place()
    await explode(allSecrets(), dir)
    for (const [consumer, { gid }] of Object.entries(CONSUMERS)) {
      for (const path of ['.', ...(await readdir(join(dir, consumer)))]) {
        const found = await stat(join(dir, consumer, path))
        expect([found.uid, found.gid], `${consumer}/${path}`).toEqual([0, gid])
      }
    }
    expect((await stat(dir)).gid).toBe(0)
  })

  it('does nothing the second time', async () => {
    const dir = await place()
    await explode(allSecrets(), dir, o)
    const before = await snapshot(dir)
    expect(await explode(allSecrets(), dir, o)).toEqual({ written: [], removed: [] })
    expect(await snapshot(dir)).toEqual(before)
  })

  it('replaces one value in place: same directory, new file, no temporary left', async () => {
    const dir = await place()
    const values = allSecrets()
    await explode(values, dir, o)
    const inode = async (path: string) => (await stat(join(dir, path))).ino
    const before = {
      dir: await inode('.'),
      app: await inode('app'),
      other: await inode('app/api_key_pepper'),
    }
    values.set('wa_app_secret', new Secret('another-value-of-the-app'))
    expect(await inspectExploded(values, dir, o)).toEqual(['app/wa_app_secret has another value'])
    expect(await explode(values, dir, o)).toEqual({ written: ['app/wa_app_secret'], removed: [] })
    expect(await readFile(join(dir, 'app/wa_app_secret'), 'utf8')).toBe('another-value-of-the-app')
    expect({
      dir: await inode('.'),
      app: await inode('app'),
      other: await inode('app/api_key_pepper'),
    }).toEqual(before)
    expect((await readdir(dir, { recursive: true })).filter((name) => name.includes('.tmp'))).toEqual([])
  })

  it('removes names that vanished and what a killed run left', async () => {
    const dir = await place()
    const values = allSecrets()
    await explode(values, dir, o)
    values.delete('wa_app_secret_previous')
    const killed = '.wa_app_secret.0123456789ab.tmp'
    await writeFile(join(dir, 'app', killed), 'half')
    const differences = await inspectExploded(values, dir, o)
    expect(differences.sort()).toEqual([
      `app/${killed} is left over`,
      'app/wa_app_secret_previous is left over',
    ])
    const { removed } = await explode(values, dir, o)
    expect(removed.sort()).toEqual([`app/${killed}`, 'app/wa_app_secret_previous'])
    expect(await inspectExploded(values, dir, o)).toEqual([])
  })

  it('sees and mends modes, missing files and links, in words without values', async () => {
    const dir = await place()
    await explode(allSecrets(), dir, o)
    await chmod(join(dir, 'app/wa_app_secret'), 0o666)
    await chmod(join(dir, 'migrate'), 0o777)
    const target = join(dir, '..', 'elsewhere')
    await writeFile(target, 'untouched')
    await rm(join(dir, 'app/api_key_pepper'))
    await symlink(target, join(dir, 'app/api_key_pepper'))
    await rm(join(dir, 'postgres/postgres_password'))
    const differences = await inspectExploded(allSecrets(), dir, o)
    expect(differences.sort()).toEqual([
      'app/api_key_pepper is not a file',
      'app/wa_app_secret has mode 666 instead of 640',
      'migrate has mode 777 instead of 750',
      'postgres/postgres_password is missing',
    ])
    await explode(allSecrets(), dir, o)
    expect(await inspectExploded(allSecrets(), dir, o)).toEqual([])
    expect(await readFile(target, 'utf8')).toBe('untouched')
  })

  it('touches nothing in a directory that is not its own', async () => {
    const dir = await place()
    await mkdir(dir)
    await writeFile(join(dir, 'passwd'), 'precious')
    await expect(explode(allSecrets(), dir, o)).rejects.toThrow(/passwd is not ours/)
    expect(await readdir(dir)).toEqual(['passwd'])
    const other = await place()
    await mkdir(join(other, 'app', 'wa_app_secret'), { recursive: true })
    await expect(explode(allSecrets(), other, o)).rejects.toThrow(/wa_app_secret is not ours/)
    const linked = await place()
    await mkdir(linked)
    await symlink('/tmp', join(linked, 'app'))
    await expect(inspectExploded(allSecrets(), linked, o)).rejects.toThrow(/app is not ours/)
  })

  it('keeps every old file when it fails half-way', async () => {
    const dir = await place()
    await explode(allSecrets(), dir, { chown: false })
    const before = await snapshot(dir)
    // A real failure: the kernel refuses to write files above 1 KiB, and only the last value is that long.
    const script = `
      import { explode } from '${new URL('../../../secrets/explode.ts', import.meta.url)}'
      import { SECRET_NAMES } from '${new URL('../../../secrets/schema.ts', import.meta.url)}'
      import { Secret } from '${new URL('../../../secrets/secret.ts', import.meta.url)}'
      const values = new Map(SECRET_NAMES.map((name, index) =>
        [name, new Secret('n'.repeat(index === SECRET_NAMES.length - 1 ? 5000 : 40))]))
      await explode(values, process.argv[1], { chown: false })`
    const shell = 'ulimit -f 1; exec "$0" --input-type=module-typescript -e "$1" "$2"'
    const run = spawnSync('sh', ['-c', shell, process.execPath, script, dir], {
      encoding: 'utf8',
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    })
    expect(run.status).not.toBe(0)
    expect(run.stderr).toMatch(/EFBIG/)
    expect(await snapshot(dir)).toEqual(before)
  })

  it('asks for root where owners matter', async () => {
    if (!isRoot) return expect(explode(allSecrets(), await place())).rejects.toThrow(/Only root/)
    const dir = await place()
    const getuid = process.getuid
    process.getuid = () => 1000
    try {
      await expect(explode(allSecrets(), dir)).rejects.toThrow(/Only root/)
    } finally {
      process.getuid = getuid as () => number
    }
  })
})
