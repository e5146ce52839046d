import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A new directory in `parent` that looks like a host's root, as far as it is backed up. */
export async function hostRoot(parent: string): Promise<string> {
  const root = await mkdtemp(join(parent, 'root-'))
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
