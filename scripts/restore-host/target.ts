import { readdir, stat } from 'node:fs/promises'
import { $ } from 'zx'
import { MEDIA, SETS } from '../backup/layout.ts'

const AGE_KEY = '/etc/whatsapp-mcp/age.key'
const LINEAGES = '/etc/letsencrypt/live'

/** @returns what on this host a recovery would overwrite, in words; `[]` for a bare one */
export async function whatIsHere(): Promise<string[]> {
  const found = await Promise.all([
    says(['systemctl', 'is-active', 'whatsapp-mcp.service']).then((it) =>
      it === 'active' || it === 'activating' ? 'the stack runs (whatsapp-mcp.service)' : undefined,
    ),
    says(['docker', 'volume', 'ls', '--quiet', '--filter', 'name=^whatsapp-mcp_pgdata$']).then((it) =>
      it === '' ? undefined : 'there is a database (volume whatsapp-mcp_pgdata)',
    ),
    stat(AGE_KEY).then(
      () => `there is a host key (${AGE_KEY})`,
      () => undefined,
    ),
    holdsSomething(MEDIA).then((it) => (it ? `there are media files (${MEDIA})` : undefined)),
    holdsSomething(SETS).then((it) => (it ? `there are backups (${SETS})` : undefined)),
    holdsSomething(LINEAGES).then((it) => (it ? `there are certificates (${LINEAGES})` : undefined)),
  ])
  return found.filter((it) => it !== undefined)
}

/** What a program prints; '' for one that is not there, as on a bare host. */
async function says(argv: readonly string[]): Promise<string> {
  const result = await $({ quiet: true, nothrow: true, timeout: '20s', input: '' })`${argv}`
  return result.stdout.trim()
}

/** certbot's own README does not count, and neither does what begins with a dot. */
async function holdsSomething(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.some((name) => !name.startsWith('.') && name !== 'README')
}
