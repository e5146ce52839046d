import { database, stack } from './containers.ts'
import { domainInAnswers } from './domain.ts'
import { docker, ports, sshd } from './settings.ts'
import { paths, present, type Trace } from './trace.ts'
import { extensions, units } from './units.ts'

const LETS_ENCRYPT = '/etc/letsencrypt'

/** What a bootstrap makes again, in the order in which it goes. The kernel and the journal forget at the next boot. */
export const MADE: readonly Trace[] = [
  units,
  paths('decrypted secrets', () => present('/run/whatsapp-mcp*')),
  stack,
  extensions,
  sshd,
  ports,
  docker,
  paths(
    'files',
    () =>
      present(
        ...['/usr/local/bin/wa', `${LETS_ENCRYPT}/renewal-hooks/deploy/whatsapp-mcp`],
        ...['/etc/apt/apt.conf.d/52whatsapp-mcp', '/etc/needrestart/conf.d/whatsapp-mcp.conf'],
        ...[
          '/etc/sysctl.d/99-whatsapp-mcp.conf',
          '/etc/modprobe.d/whatsapp-mcp.conf',
          '/etc/systemd/journald.conf.d/whatsapp-mcp.conf',
        ],
        ...['/etc/whatsapp-mcp/stack.env', '/etc/whatsapp-mcp/nginx'],
        ...['/var/lib/whatsapp-mcp/tls', '/var/lib/whatsapp-mcp/acme'],
      ),
    { emptied: ['/etc/needrestart/conf.d', '/etc/needrestart', '/etc/systemd/journald.conf.d'] },
  ),
]

/** What nothing can make again. */
export const DATA: readonly Trace[] = [
  database,
  paths('certificates', certificates),
  paths('files, backups, audit log', () => present('/var/lib/whatsapp-mcp')),
  paths('age key and answers', () => present('/etc/whatsapp-mcp')),
  paths('logs of the bootstrap', () => present('/var/log/whatsapp-mcp')),
]

/** With the account at the authority, once no other name needs it. */
async function certificates(): Promise<string[]> {
  const domain = await domainInAnswers()
  if (domain === undefined) return []
  const own = await present(
    ...['live', 'archive'].map((name) => `${LETS_ENCRYPT}/${name}/${domain}`),
    `${LETS_ENCRYPT}/renewal/${domain}.conf`,
  )
  const others = (await present(`${LETS_ENCRYPT}/renewal/*`)).filter((path) => !own.includes(path))
  return own.length > 0 && others.length === 0
    ? [...own, ...(await present(`${LETS_ENCRYPT}/accounts`))]
    : own
}
