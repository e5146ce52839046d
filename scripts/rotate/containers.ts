import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer } from '../../secrets/schema.ts'
import { Fail, lastLines } from '../lib/fail.ts'
import { APPS, COMPOSE } from '../lib/stack.ts'
import type { Host } from './host.ts'
import type { Change } from './steps.ts'

const UNIT = 'whatsapp-mcp.service'
/** Long enough for the supervisor to find the app missing and start everything anew. */
const HEALTHY_WITHIN_S = 180

/** Who reads secrets, by the name of their directory. */
type Reader = Extract<Consumer, 'app' | 'postgres' | 'inngest'>

const servicesOf = (reader: Reader): readonly string[] => (reader === 'app' ? APPS : [reader])

interface Container {
  readonly id: string
  readonly status: string
  /** `none` for a container without a health check */
  readonly health: string
  readonly startedAt: Date
}

async function find(host: Host, service: string): Promise<Container | undefined> {
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

/** The services of a reader that do not run with its secrets as they are now: every change of a file touches the directory. */
async function differing(host: Host, reader: Reader): Promise<readonly { service: string; words: string }[]> {
  const changed = (await stat(join(host.secrets, reader))).mtime
  const list = await Promise.all(
    servicesOf(reader).map(async (service) => {
      const words = differenceOf(await find(host, service), changed, reader !== 'inngest')
      return words === undefined ? [] : [{ service, words: `${service} ${words}` }]
    }),
  )
  return list.flat()
}

/** @param isWanted false where it need not run, and is left alone while it does not */
function differenceOf(
  container: Container | undefined,
  changed: Date,
  isWanted: boolean,
): string | undefined {
  if (container === undefined) return isWanted ? 'is not there' : undefined
  const { status, health, startedAt } = container
  if (status !== 'running') return isWanted ? `is ${status}` : undefined
  if (startedAt < changed) return 'runs with older secrets'
  return ['healthy', 'none'].includes(health) ? undefined : `is ${health}`
}

/**
 * Readers that have read their secrets after these last changed. Where Inngest is not used, there is nothing to do about it.
 * The replicas of the server restart together: one that has the new key beside one that has not would refuse each other's
 * links and keys, which clients take for an answer; a moment without one, they try again.
 */
export function restarted(host: Host, readers: readonly ('app' | 'inngest')[]): Change {
  const open = async () => (await Promise.all(readers.map((reader) => differing(host, reader)))).flat()
  return {
    title: `${readers.join(' and ')} restarted`,
    async inspect() {
      const list = await open()
      return list.length === 0 ? undefined : list.map(({ words }) => words).join(', ')
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
      const list = [...(await differing(host, 'postgres')), ...(await differing(host, 'app'))]
      return list[0]?.words
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
