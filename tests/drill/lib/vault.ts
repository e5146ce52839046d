import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { docker } from './engine.ts'
import type { Images } from './images.ts'
import { common, NETWORK } from './network.ts'
import { until } from './progress.ts'
import { run } from './run.ts'

export const VAULT = 'vault.drill.test'
/** Where the sealed copies arrive. */
const PLACE = '/srv/offsite/backups'
const CONTAINER = `${NETWORK}-vault`

/** The host's accounts on the far side, each with a key of its own. */
const USERS = ['offsite', 'whatsapp-audit'] as const
type User = (typeof USERS)[number]

interface KeyPair {
  readonly privateKey: string
  /** one line, as `authorized_keys` and `known_hosts` hold it */
  readonly publicKey: string
}

export interface VaultKeys {
  /** holds the key files, as ssh-keygen made them */
  readonly directory: string
  readonly host: KeyPair
  readonly users: Readonly<Record<User, KeyPair>>
}

/**
 * Makes the keys of the far side before it starts, since the host's secrets name them.
 * @param directory private
 */
export async function makeVaultKeys(directory: string): Promise<VaultKeys> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const make = async (name: string): Promise<KeyPair> => {
    const path = join(directory, name)
    await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', `drill ${name}`, '-f', path])
    const [privateKey, publicKey] = await Promise.all(
      [path, `${path}.pub`].map((file) => readFile(file, 'utf8')),
    )
    return { privateKey: privateKey ?? '', publicKey: publicKey?.trim() ?? '' }
  }
  const [host, offsite, audit] = await Promise.all(['host', ...USERS].map(make))
  if (!host || !offsite || !audit) throw new Error('a key is missing')
  return { directory, host, users: { offsite, 'whatsapp-audit': audit } }
}

/** The secrets by which a host reaches the far side, by name. */
export function vaultSecrets({ host, users }: VaultKeys): Record<string, string> {
  const known_hosts = `${VAULT} ${host.publicKey}`
  return {
    offsite_remote: JSON.stringify({
      ...{ type: 'sftp', path: 'backups', host: VAULT, user: 'offsite', known_hosts },
      key_pem: users.offsite.privateKey,
    }),
    audit_remote: JSON.stringify({
      ...{ host: VAULT, port: 22, user: 'whatsapp-audit', known_hosts },
      key: users['whatsapp-audit'].privateKey,
    }),
  }
}

/** The machine the copies go to: Debian with OpenSSH, seen from its own root. */
export class Vault {
  readonly keys: VaultKeys

  constructor(keys: VaultKeys) {
    this.keys = keys
  }

  async start(images: Images): Promise<void> {
    await docker(['create', ...common('vault'), '--network-alias', VAULT, images.vault])
    const { directory, host, users } = this.keys
    // The account of the audit archive gets its key when that is set up.
    const wanted = { host: host.privateKey, 'offsite.pub': `${users.offsite.publicKey}\n` }
    const keys = join(directory, 'vault')
    await mkdir(keys)
    for (const [name, text] of Object.entries(wanted)) {
      await writeFile(join(keys, name), text, { mode: name === 'host' ? 0o600 : 0o644 })
    }
    // Files keep the numeric owner of this machine, and sshd wants root's.
    await docker(['cp', `${keys}/.`, `${CONTAINER}:/etc/ssh/keys`])
    await docker(['start', CONTAINER])
    await until('far side', 20, async () => (await this.#answers()) || undefined)
  }

  /** Runs a program there, as its own operator. */
  exec(argv: readonly string[], options?: Parameters<typeof docker>[1]): ReturnType<typeof docker> {
    return docker(['exec', '-i', CONTAINER, ...argv], options)
  }

  /** Off the network: names do not resolve, connections get no answer. What runs on it goes on. */
  async cut(): Promise<void> {
    await docker(['network', 'disconnect', NETWORK, CONTAINER])
  }

  async mend(): Promise<void> {
    await docker(['network', 'connect', '--alias', VAULT, NETWORK, CONTAINER])
    await until('far side', 20, async () => (await this.#answers()) || undefined)
  }

  /** What it holds, with lengths in bytes, by name relative to the backups: `sets/…`, `media/…`. */
  async list(): Promise<ReadonlyMap<string, number>> {
    const { stdout } = await this.exec(['find', PLACE, '-type', 'f', '-printf', '%s %P\n'])
    const lines = stdout.split('\n').filter(Boolean)
    return new Map(lines.map((line) => [line.replace(/^\d+ /, ''), Number(line.split(' ')[0])]))
  }

  /** Checksums of everything it holds, by name. */
  async checksums(): Promise<ReadonlyMap<string, string>> {
    const script = `cd ${PLACE} && find . -type f -printf '%P\\0' | xargs -0r sha256sum`
    const lines = (await this.exec(['sh', '-c', script])).stdout.split('\n').filter(Boolean)
    return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]))
  }

  /** Cuts a file off after so many bytes, as an upload that broke off leaves it. */
  async truncate(name: string, bytes: number): Promise<void> {
    await this.exec(['truncate', '-s', String(bytes), `${PLACE}/${name}`])
  }

  /** Changes bytes of a file in place; its length stays. */
  async damage(name: string, offset: number): Promise<void> {
    const dd = ['dd', `of=${PLACE}/${name}`, 'bs=1', `seek=${offset}`, 'conv=notrunc', 'status=none']
    await this.exec(dd, { input: randomBytes(8) })
  }

  /** Only its own operator can. */
  async remove(name: string): Promise<void> {
    await this.exec(['rm', `${PLACE}/${name}`])
  }

  async #answers(): Promise<boolean> {
    const asked = await this.exec(
      ['sh', '-c', 'echo | timeout 2 bash -c "exec 3<>/dev/tcp/127.0.0.1/22; head -c 4 <&3"'],
      {
        mayFail: true,
      },
    )
    return asked.stdout.startsWith('SSH')
  }
}
