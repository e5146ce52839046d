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
/** Capabilities that read, link or hand over files; none that rules the host. */
const CAPABILITIES =
  /^(CAP_DAC_READ_SEARCH|CAP_FOWNER|CAP_CHOWN)?( (CAP_DAC_READ_SEARCH|CAP_FOWNER|CAP_CHOWN))*$/

describe.each(services)('%s', (name) => {
  const lines = readFileSync(join(directory, name), 'utf8').split('\n')
  const values = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1))

  it('has the sandbox', () => {
    const wanted = name === STACK ? ALL : [...ALL, ...HELPERS]
    expect(wanted.filter((line) => !lines.includes(line))).toEqual([])
    expect(values('ProtectHome')).toEqual([expect.stringMatching(/^(yes|tmpfs)$/)])
    for (const families of values('RestrictAddressFamilies'))
      expect(families).toMatch(/^AF_UNIX( AF_INET AF_INET6)?$/)
    expect(values('RestrictAddressFamilies')).toHaveLength(1)
  })

  it('keeps few capabilities, and writes to few places', () => {
    if (name !== STACK) {
      expect(values('CapabilityBoundingSet')).toHaveLength(1)
      expect(values('CapabilityBoundingSet')[0]).toMatch(CAPABILITIES)
    }
    expect(values('AmbientCapabilities')).toEqual([])
    for (const path of values('ReadWritePaths').flatMap((value) => value.split(' ')))
      expect(path).toMatch(/^\/var\/lib\/whatsapp-mcp(\/|$)/)
  })

  it('is given no secret in its environment, and ends in time', () => {
    for (const value of values('Environment')) expect(value).not.toMatch(/SECRET|TOKEN|PASSWORD|PEPPER|_KEY=/)
    expect(values('EnvironmentFile')).toEqual([])
    expect(values('TimeoutStartSec')).toHaveLength(1)
  })
})
