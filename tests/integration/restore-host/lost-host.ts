import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { sealHostFiles } from '../../../scripts/backup/host-files.ts'
import { DUMP, dateOf, HOST_FILES } from '../../../scripts/backup/layout.ts'
import { formatManifest, signManifest } from '../../../scripts/backup/manifest.ts'
import { setFileName } from '../../../scripts/offsite/names.ts'
import { type OpenIdentity, openIdentity, seal } from '../../../scripts/offsite/seal.ts'
import { formatRecipients } from '../../../secrets/recipients.ts'
import { Secret } from '../../../secrets/secret.ts'
import { type FarSide, farSide, type Key, newKey, scratch } from '../offsite/far-side.ts'

export const DOMAIN = 'wa.example.org'

/** A host that is gone: what is left is its far side, the repository and the recovery key. */
export interface LostHost {
  readonly far: FarSide
  readonly recovery: Key
  readonly hostKey: Key
  readonly identity: OpenIdentity
  readonly signingKey: Secret
  readonly sopsYaml: string
  /** Sends a set with this dump. @returns the dump */
  addSet(name: string, o?: { key?: Secret }): Promise<Buffer>
}

export async function lostHost(): Promise<LostHost> {
  const [far, recovery, hostKey, directory] = await Promise.all([farSide(), newKey(), newKey(), scratch()])
  const signingKey = new Secret('a'.repeat(64))
  const sopsYaml = join(directory, '.sops.yaml')
  const roles = [
    { role: 'host', recipient: hostKey.recipient },
    { role: 'recovery', recipient: recovery.recipient },
  ]
  await writeFile(sopsYaml, formatRecipients(roles))
  const identity = openIdentity(recovery.identity, far.remote.privateDirectory)
  onTestFinished(() => identity[Symbol.dispose]())
  const root = join(directory, 'root')
  await hostTree(root, hostKey)

  const addSet: LostHost['addSet'] = async (name, o = {}) => {
    const place = join(directory, name)
    await mkdir(place)
    const dump = randomBytes(200_000)
    await writeFile(join(place, DUMP), dump)
    const host = await sealHostFiles(join(place, HOST_FILES), recovery.recipient, { root })
    const file = { bytes: dump.length, sha256: createHash('sha256').update(dump).digest('hex') }
    const manifest = signManifest(
      {
        version: 1,
        name,
        created: dateOf(name).toISOString(),
        commit: 'unknown',
        host: 'lost',
        seconds: 1,
        database: {
          name: 'wa_mcp',
          server_version: '18.1',
          migration: '0007',
          tables: [{ name: 'messages', rows: 5, newest: null, hash: '1' }],
        },
        files: [
          { name: DUMP, ...file },
          { name: HOST_FILES, bytes: host.bytes, sha256: host.sha256 },
        ],
        images: {},
        media: { files: 0, bytes: 0 },
      },
      o.key ?? signingKey,
    )
    const sets = join(far.directory, 'sets')
    await seal(join(place, DUMP), join(sets, setFileName(name, DUMP)), recovery.recipient)
    await writeFile(join(sets, setFileName(name, HOST_FILES)), await readFile(join(place, HOST_FILES)))
    await writeFile(join(sets, setFileName(name, 'manifest.json')), formatManifest(manifest))
    return dump
  }
  return { far, recovery, hostKey, identity, signingKey, sopsYaml, addSet }
}

/** As the bootstrap and certbot leave it; the certificate is none, which is a case of its own. */
async function hostTree(root: string, hostKey: Key): Promise<void> {
  const files: Record<string, string> = {
    'etc/whatsapp-mcp/answers.yaml': `domain: ${DOMAIN}\nemail: ops@${DOMAIN}\n`,
    'etc/whatsapp-mcp/stack.env': `WA_DOMAIN=${DOMAIN}\n`,
    'etc/whatsapp-mcp/age.key': `${hostKey.identity.reveal()}\n`,
    [`etc/letsencrypt/archive/${DOMAIN}/fullchain1.pem`]: 'not a certificate\n',
    'var/lib/whatsapp-mcp/audit/2026/11/audit-1-2.ndjson.gz': 'rows',
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text, { mode: 0o600 })
  }
  await mkdir(join(root, 'etc/letsencrypt/live'), { recursive: true })
  await symlink(`../archive/${DOMAIN}`, join(root, `etc/letsencrypt/live/${DOMAIN}`))
}

/** Changes one byte in the middle of a file of the far side. */
export async function flip(far: FarSide, name: string): Promise<void> {
  const path = join(far.directory, name)
  const bytes = await readFile(path)
  const at = Math.floor((await stat(path)).size / 2)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(path, bytes)
}
