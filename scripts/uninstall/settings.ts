/** What was set in files of other programs. */
import { rm } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { readIfThere, writeAtomically } from '../../secrets/atomic.ts'
import { DAEMON_JSON, DOCKER_SETTINGS } from '../lib/docker-settings.ts'
import { Fail } from '../lib/fail.ts'
import { DROP_IN } from '../ssh/pending.ts'
import { restartSshd } from '../ssh/restart.ts'
import { ask, paths, present, run, type Trace } from './trace.ts'

const PORTS = ['80/tcp', '443/tcp']

/** Of the firewall the two ports alone: it stays on, and ssh stays open. */
export const ports: Trace = {
  title: 'firewall rules',
  async inspect() {
    const status = await ask('ufw', 'status')
    const open = PORTS.filter((port) => new RegExp(`^${port}\\s+ALLOW`, 'm').test(status))
    return open.length === 0 ? undefined : open.join(', ')
  },
  async remove() {
    for (const port of PORTS) await run('ufw', '--force', 'delete', 'allow', port)
  },
}

export const sshd: Trace = paths(
  'settings of sshd, which takes again what it took before',
  () => present(DROP_IN, '/var/lib/whatsapp-mcp/ssh-pending.json'),
  { after: restartSshd },
)

/** Followed from its next start on: other containers on this host need not be interrupted for it. */
export const docker: Trace = {
  title: 'settings of Docker',
  async inspect() {
    const names = Object.keys((await dockerSettings()).ours)
    return names.length === 0 ? undefined : names.join(', ')
  },
  async remove() {
    const { others } = await dockerSettings()
    if (Object.keys(others).length === 0) await rm(DAEMON_JSON, { force: true })
    else await writeAtomically(DAEMON_JSON, `${JSON.stringify(others, null, 2)}\n`, 0o644)
  },
}

/** Those with our values, which may have been there before, and all others. */
async function dockerSettings() {
  const entries = Object.entries(parse((await readIfThere(DAEMON_JSON)) ?? '{}'))
  const isOurs = ([name, value]: [string, unknown]) => isDeepStrictEqual(DOCKER_SETTINGS[name], value)
  return {
    ours: Object.fromEntries(entries.filter(isOurs)),
    others: Object.fromEntries(entries.filter((entry) => !isOurs(entry))),
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch (cause) {
    throw new Fail(`${DAEMON_JSON} is not valid JSON`, {
      next: `mend it, or move it away: mv ${DAEMON_JSON} /root/`,
      cause,
    })
  }
}
