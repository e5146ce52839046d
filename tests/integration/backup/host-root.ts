import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'

const roots: string[] = []
afterAll(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true })
})

/** A directory that looks like a host's root, as far as it is backed up. It is gone after the file. */
export async function hostRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'backup-root-'))
  roots.push(root)
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
