import * as z from 'zod'
import type { Secret } from '../../secrets/secret.ts'

/** Where offsite copies go: the secret `offsite_remote`, read. */
export interface RemoteSettings {
  /** the kind of storage, as rclone calls it: `s3`, `b2`, `sftp`, `local` … */
  readonly type: string
  /** bucket or directory; the directories `sets` and `media` are below it */
  readonly path: string
  /** further options of rclone for this kind of storage */
  readonly options: Readonly<Record<string, string>>
  /** SFTP: the private key and the server's lines of known_hosts */
  readonly sftp?: { readonly keyPem: string; readonly knownHosts: string }
}

const NEXT = 'Mend it with: npx zx scripts/secrets.ts set offsite_remote (docs/operations/offsite.md)'
const oneLine = z.string().regex(/^[^\r\n\0]*$/, 'must be one line')

const schema = z
  .object({
    type: z.string().regex(/^[a-z0-9]{2,20}$/, 'must be a storage type of rclone, such as s3, b2 or sftp'),
    path: oneLine.min(1, 'must name a bucket or a directory'),
    key_pem: z.string().includes('PRIVATE KEY', 'must be a private key in PEM form').optional(),
    known_hosts: z.string().min(1, 'must not be empty').optional(),
  })
  .catchall(oneLine)

/**
 * Reads the secret `offsite_remote`.
 * @throws Error naming the field and what it must be; never its value
 */
export function parseRemoteSettings(secret: Secret): RemoteSettings {
  const parsed = schema.safeParse(jsonOf(secret))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Error(`offsite_remote: ${issue?.path.join('.') || 'it'} ${issue?.message}. ${NEXT}`)
  }
  const { type, path, key_pem: keyPem, known_hosts: knownHosts, ...options } = parsed.data
  const strange = Object.keys(options).find((name) => !/^[a-z][a-z0-9_]*$/.test(name))
  if (strange !== undefined) throw new Error(`offsite_remote: one option has no name of rclone's. ${NEXT}`)
  if (type !== 'sftp') return { type, path, options }
  if (keyPem === undefined || knownHosts === undefined) {
    throw new Error(`offsite_remote: sftp needs key_pem and known_hosts. ${NEXT}`)
  }
  return { type, path, options, sftp: { keyPem, knownHosts } }
}

function jsonOf(secret: Secret): unknown {
  try {
    return JSON.parse(secret.reveal())
  } catch {
    // The parser's own message quotes the text.
    throw new Error(`offsite_remote: it is not JSON. ${NEXT}`)
  }
}
