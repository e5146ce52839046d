import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { PostgresTools } from '../../../scripts/backup/postgres.ts'
import type { SetRequest } from '../../../scripts/backup/set.ts'
import { Secret } from '../../../secrets/secret.ts'

export const KEY = new Secret('ab'.repeat(32))

/** A directory that looks like a host's root, as far as it is backed up. */
export async function hostRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'backup-root-'))
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text, { mode: 0o600 })
  }
  await put('etc/letsencrypt/archive/wa.test/privkey1.pem', 'private')
  await mkdir(join(root, 'etc/letsencrypt/live/wa.test'), { recursive: true })
  await symlink('../../archive/wa.test/privkey1.pem', join(root, 'etc/letsencrypt/live/wa.test/privkey.pem'))
  await put('etc/whatsapp-mcp/answers.yaml', 'domain: wa.test\n')
  await put('etc/whatsapp-mcp/stack.env', 'WA_DOMAIN=wa.test\n')
  await put('etc/whatsapp-mcp/age.key', 'the host key')
  await put('etc/whatsapp-mcp/other', 'no part of it')
  await put('var/lib/whatsapp-mcp/audit/audit-1-2.ndjson.gz', 'segment')
  return root
}

export function requestFor(o: {
  tools: PostgresTools
  directory: string
  recipient: string
  root: string
  now?: Date
  allowShrink?: boolean
}): SetRequest {
  return {
    key: KEY,
    allowShrink: false,
    facts: async () => ({ commit: 'unknown', host: 'wa', images: {} }),
    progress: () => {},
    ...o,
  }
}
