import type { Context } from './context.ts'
import { files } from './files.ts'
import type { Resource } from './resource.ts'

const JOURNALD = `# Written by the bootstrap.
[Journal]
# What was said before a crash is wanted after it.
Storage=persistent
SystemMaxUse=1G
`

/** The journal outlives a reboot, and has an end. */
export function journal({ shell }: Context): Resource {
  return files(
    'journal',
    async () => [{ path: '/etc/systemd/journald.conf.d/whatsapp-mcp.conf', text: JOURNALD, mode: 0o644 }],
    async () => {
      await shell()`systemctl restart systemd-journald`
    },
  )
}
