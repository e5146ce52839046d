import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer } from '../../secrets/schema.ts'
import { Fail, lastLines } from '../lib/fail.ts'
import { COMPOSE } from '../lib/stack.ts'
import type { Host } from './host.ts'
import type { Change } from './steps.ts'

const UNIT = 'whatsapp-mcp.service'
/** Long enough for the supervisor to find the app missing and start everything anew. */
const HEALTHY_WITHIN_S = 180

type Service = Extract<Consumer, 'app' | 'postgres' | 'inngest'>

interface Container {
  readonly id: string
  readonly status: string
  /** `none` for a container without a health check */
  readonly health: string
  readonly startedAt: Date
}

async function find(host: Host, service: Service): Promise<Container | undefined> {
  const list = await host.run(['docker', ...COMPOSE, 'ps', '--all', '--quiet', service], { mayFail: true })
  const id = list.stdout.trim()
  if (list.exitCode !== 0 || id === '') return undefined
  const format =
    '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.State.StartedAt}}'
  const found = await host.run(['docker', 'inspect', '--format', format, id], { mayFail: true })
  const [status, health, startedAt] = found.stdout.trim().split(' ')
  if (found.exitCode !== 0 || !status || !health || !startedAt) return undefined
  return { id, status, health, startedAt: new Date(startedAt) }
}

/** Whether a service runs with its secrets as they are now: every change of a file touches the directory. */
async function differing(host: Host, service: Service): Promise<string | undefined> {
  const [container, directory] = await Promise.all([find(host, service), stat(join(host.secrets, service))])
  if (container === undefined) return service === 'inngest' ? undefined : `${service} is not there`
  if (container.status !== 'running')
    return service === 'inngest' ? undefined : `${service} is ${container.status}`
  if (container.startedAt < directory.mtime) return `${service} runs with older secrets`
  return ['healthy', 'none'].includes(container.health) ? undefined : `${service} is ${container.health}`
}

/** Services that have read their secrets after these last changed. Where Inngest is not used, there is nothing to do about it. */
export function restarted(host: Host, services: readonly ('app' | 'inngest')[]): Change {
  const open = async () => {
    const differences = await Promise.all(services.map((service) => differing(host, service)))
    return services.flatMap((service, index) => {
      const difference = differences[index]
      return difference === undefined ? [] : [{ service, difference }]
    })
  }
  return {
    title: `${services.join(' and ')} restarted`,
    async inspect() {
      const list = await open()
      return list.length === 0 ? undefined : list.map(({ difference }) => difference).join(', ')
    },
    async apply() {
      if (!(await isActive(host))) return restartStack(host)
      const names = (await open()).map(({ service }) => service)
      await host.run(['docker', ...COMPOSE, 'restart', '--no-deps', ...names], { seconds: 120 })
      const end = Date.now() + HEALTHY_WITHIN_S * 1000
      while ((await open()).length > 0 && Date.now() < end) await sleep(500)
    },
  }
}

/** The whole stack, as a boot starts it: Postgres takes the superuser's password, migrations set those of the roles. */
export function stackRestarted(host: Host): Change {
  return {
    title: 'stack restarted',
    async inspect() {
      if (!(await isActive(host))) return `${UNIT} is not active`
      return (await differing(host, 'postgres')) ?? (await differing(host, 'app'))
    },
    apply: () => restartStack(host),
  }
}

async function isActive({ run }: Host): Promise<boolean> {
  return (await run(['systemctl', 'is-active', '--quiet', UNIT], { mayFail: true })).exitCode === 0
}

async function restartStack({ run }: Host): Promise<void> {
  await run(['systemctl', 'reset-failed', UNIT], { mayFail: true })
  const result = await run(['systemctl', 'restart', UNIT], { seconds: 400, mayFail: true })
  if (result.exitCode === 0) return
  const journal = await run(['journalctl', '-u', UNIT, '-n', '30', '--no-pager', '-o', 'cat'], {
    mayFail: true,
  })
  throw new Fail(`${UNIT} did not start`, {
    next: `journalctl -u ${UNIT} -e`,
    output: lastLines(`${result.stderr}\n${journal.stdout}`, 15),
  })
}
