import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

/** What the units take away from the programs they start. `systemd-analyze security` gives them 2.0 or less by these lines. */

const directory = join(import.meta.dirname, '../../../systemd')
const services = readdirSync(directory).filter((name) => name.endsWith('.service'))

const ALL = [
  ...[
    'UMask=0077',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'PrivateTmp=yes',
    'ProtectKernelTunables=yes',
  ],
  ...['ProtectKernelModules=yes', 'ProtectControlGroups=yes', 'ProtectClock=yes', 'RestrictRealtime=yes'],
  ...['RestrictSUIDSGID=yes', 'LockPersonality=yes'],
]
const HELPERS = [
  ...['PrivateDevices=yes', 'ProtectKernelLogs=yes', 'ProtectHostname=yes', 'RestrictNamespaces=yes'],
  ...[
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service @pkey',
    'SystemCallErrorNumber=EPERM',
  ],
]
/** Talks to the engine, and through it is root whatever the lines say. */
const STACK = 'whatsapp-mcp.service'
/** Reads, links or hands over files, and rules nothing on the host; talks to the network; writes to our own place. */
const USUAL = new Set([
  ...[
    'CAP_DAC_READ_SEARCH',
    'CAP_FOWNER',
    'CAP_CHOWN',
    'AF_UNIX',
    'AF_INET',
    'AF_INET6',
    '/var/lib/whatsapp-mcp',
  ],
  '/var/lib/whatsapp-mcp/jobs',
])
/** What one unit needs beyond that. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  // Listing the firewall's rules takes its lock.
  'whatsapp-mcp-doctor.service': ['CAP_NET_ADMIN', 'AF_NETLINK', '/run'],
  'whatsapp-mcp-ssh-rollback.service': ['/etc/ssh/sshd_config.d'],
}

describe.each(services)('%s', (name) => {
  const lines = readFileSync(join(directory, name), 'utf8').split('\n')
  const values = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1))

  it('has the sandbox', () => {
    const wanted = name === STACK ? ALL : [...ALL, ...HELPERS]
    expect(wanted.filter((line) => !lines.includes(line))).toEqual([])
    expect(values('ProtectHome')).toEqual([expect.stringMatching(/^(yes|tmpfs)$/)])
    expect(values('RestrictAddressFamilies')).toHaveLength(1)
    if (name !== STACK) expect(values('CapabilityBoundingSet')).toHaveLength(1)
  })

  it('keeps few rights, and those that are more are needed', () => {
    const lines = [
      'CapabilityBoundingSet',
      'RestrictAddressFamilies',
      'ReadWritePaths',
      'AmbientCapabilities',
    ]
    const rights = lines.flatMap((key) => values(key).flatMap((value) => value.split(' ').filter(Boolean)))
    expect(rights.filter((right) => !USUAL.has(right))).toEqual(MORE[name] ?? [])
  })

  it('is given no secret in its environment, and ends in time', () => {
    for (const value of values('Environment')) expect(value).not.toMatch(/SECRET|TOKEN|PASSWORD|PEPPER|_KEY=/)
    expect(values('EnvironmentFile')).toEqual([])
    expect(values('TimeoutStartSec')).toHaveLength(1)
  })
})
