import * as z from 'zod'
import { COMPOSE, ROOT } from '../lib/stack.ts'
import { ask } from './ask.ts'
import { type Check, no, notSure, yes } from './check.ts'
import { updates } from './updates.ts'

const JOBS = ['backup', 'offsite', 'audit', 'prove-restore', 'doctor']
const TIMERS = JOBS.map((name) => `whatsapp-mcp-${name}.timer`)
const HELPERS = ['secrets', 'ssh-rollback', ...JOBS].map((name) => `whatsapp-mcp-${name}.service`)
const MOST_EXPOSED = 2

const planSchema = z.object({
  steps: z.array(z.object({ resources: z.array(z.object({ title: z.string(), state: z.string() })) })),
})

export const operations: readonly Check[] = [
  ...updates,
  {
    id: 'operations.units',
    statement: 'no unit has failed',
    async look() {
      const { stdout } = await ask('systemctl', 'list-units', '--failed', '--plain', '--no-legend')
      const failed = stdout.split('\n').flatMap((line) => line.split(' ')[0] || [])
      return failed.length === 0 ? yes('none') : no(failed.join(', '), `journalctl -u ${failed[0]} -e`)
    },
  },
  {
    id: 'operations.boot',
    statement: 'everything starts at boot',
    async look() {
      const wanted = [
        'docker.service',
        'whatsapp-mcp.service',
        'whatsapp-mcp-secrets.service',
        'certbot.timer',
      ]
      const states = await Promise.all(wanted.map((name) => ask('systemctl', 'is-enabled', name)))
      const off = wanted.filter((_, n) => states[n]?.stdout !== 'enabled')
      return off.length === 0
        ? yes(wanted.join(', '))
        : no(`not enabled: ${off.join(', ')}`, `systemctl enable ${off[0]}`)
    },
  },
  {
    id: 'operations.timers',
    statement: 'the timers of the jobs run',
    async look() {
      const states = await Promise.all(TIMERS.map((name) => ask('systemctl', 'is-active', name)))
      const off = TIMERS.filter((_, n) => states[n]?.stdout !== 'active')
      return off.length === 0
        ? yes(`${TIMERS.length} timers`)
        : no(`not active: ${off.join(', ')}`, `systemctl enable --now ${off[0]}`)
    },
  },
  {
    id: 'operations.sandboxed',
    statement: 'the helper units are sandboxed',
    async look() {
      const lines = await Promise.all(
        HELPERS.map(async (name) => {
          const { stdout } = await ask('systemd-analyze', 'security', '--no-pager', name)
          const level = /exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]
          return { name, level: level === undefined ? undefined : Number(level) }
        }),
      )
      if (lines.some(({ level }) => level === undefined))
        return notSure(
          'systemd-analyze names no level',
          'systemd-analyze security whatsapp-mcp-backup.service',
        )
      const exposed = lines.filter(({ level }) => Number(level) > MOST_EXPOSED)
      const found = lines.map(
        ({ name, level }) => `${name.replace(/^whatsapp-mcp-|\.service$/g, '')} ${level}`,
      )
      return exposed.length === 0
        ? yes(found.join(', '))
        : no(found.join(', '), `systemd-analyze security ${exposed[0]?.name}`)
    },
  },
  {
    id: 'operations.clock',
    statement: 'the clock is kept right',
    async look() {
      const { stdout } = await ask('timedatectl', 'show', '--property=NTPSynchronized', '--value')
      if (stdout === 'yes') return yes('synchronised')
      if (stdout === 'no') return no('not synchronised', 'timedatectl set-ntp true')
      return notSure('timedatectl does not say', 'timedatectl')
    },
  },
  {
    id: 'operations.sshd',
    statement: 'ssh takes keys only, and root no password',
    async look() {
      const { code, stdout } = await ask('sshd', '-T')
      if (code === 127) return yes('no sshd on this host')
      if (code !== 0) return notSure('sshd -T gives no answer', 'sshd -T')
      const of = (name: string) => new RegExp(`^${name} (.+)$`, 'm').exec(stdout)?.[1]
      const wrong = [
        ...(of('passwordauthentication') === 'no' ? [] : ['passwords are accepted']),
        ...(of('permitrootlogin') === 'yes' ? ['root may log in by password'] : []),
        ...(of('x11forwarding') === 'yes' ? ['X11 is forwarded'] : []),
      ]
      return wrong.length === 0
        ? yes('effective settings')
        : no(
            wrong.join(', '),
            'ssh-copy-id for somebody who may become root, then npx zx bootstrap/00-install.ts',
          )
    },
  },
  {
    id: 'operations.logs',
    statement: 'logs cannot fill the disk',
    async look() {
      const list = await ask('docker', ...COMPOSE, 'ps', '--quiet')
      const ids = list.stdout.split('\n').filter(Boolean)
      if (ids.length === 0) return no('no container runs', 'systemctl start whatsapp-mcp')
      const format =
        '{{.Name}} {{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config "max-size"}}'
      const { stdout } = await ask('docker', 'inspect', '--format', format, ...ids)
      const open = stdout.split('\n').filter((line) => / json-file (<no value>|-1)?$/.test(line))
      return open.length === 0
        ? yes(`${ids.length} containers with a limit`)
        : no(
            `no limit: ${open.map((line) => line.split(' ')[0]?.slice(1)).join(', ')}`,
            'npx zx bootstrap/00-install.ts',
          )
    },
  },
  {
    id: 'operations.drift',
    statement: 'the host is as the bootstrap would make it',
    async look() {
      const bootstrap = [`${ROOT}/node_modules/.bin/node`, `${ROOT}/bootstrap/all.ts`, '--plan', '--json']
      const { stdout, stderr } = await ask(...bootstrap)
      if (!stdout.startsWith('{')) return notSure(stderr.split('\n')[0] ?? '', './bootstrap/run.sh --plan')
      const { steps } = planSchema.parse(JSON.parse(stdout))
      const differs = steps.flatMap(({ resources }) => resources).filter(({ state }) => state === 'differs')
      return differs.length === 0
        ? yes('nothing to change')
        : no(differs.map(({ title }) => title).join(', '), './bootstrap/run.sh --plan')
    },
  },
]
