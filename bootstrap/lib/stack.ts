import { stat } from 'node:fs/promises'
import { APPS, COMPOSE, SERVICES } from '../../scripts/lib/stack.ts'
import type { Context } from './context.ts'
import type { Resource } from './resource.ts'
import { roll } from './roll.ts'
import type { Shell } from './shell.ts'
import { isActive, isEnabled, restartUnit } from './units.ts'

const UNIT = 'whatsapp-mcp.service'
/** What the process of the unit was made from. */
const PROGRAM = ['supervisor.ts', 'supervisor/absences.ts', 'lib/stack.ts', 'lib/superuser.ts']

type Service = (typeof SERVICES)[number]

const isReplica = (service: Service): boolean => (APPS as readonly string[]).includes(service)

interface Difference {
  readonly service: Service
  readonly words: string
  /** It is healthy, and was made from other settings than those of now. */
  readonly isOlder: boolean
}

/** The stack as the compose file describes it, healthy, and started by systemd alone. */
export function stack(context: Context): Resource {
  const { shell } = context
  return {
    title: 'stack',
    async inspect() {
      return (await unitDiffers(context)) ?? (await differing(shell))[0]?.words
    },
    async apply() {
      const isUp = (await unitDiffers(context)) === undefined
      const list = await differing(shell)
      if (isUp && list.every(({ service, isOlder }) => isOlder && isReplica(service))) return roll(shell)
      await shell()`systemctl enable ${UNIT}`
      await restartUnit(UNIT, shell, 320)
    },
  }
}

async function unitDiffers({ root, shell }: Context): Promise<string | undefined> {
  if (!(await isEnabled(UNIT, shell))) return `${UNIT} does not start at boot`
  if (!(await isActive(UNIT, shell))) return `${UNIT} is not active`
  const property = '--property=ExecMainStartTimestampMonotonic'
  const { stdout } = await shell()`systemctl show --value ${property} ${UNIT}`
  // Microseconds by the clock that also counts ours.
  const startedAt = Date.now() - (Number(process.hrtime.bigint() / 1000n) - Number(stdout.trim())) / 1000
  const files = [`/etc/systemd/system/${UNIT}`, ...PROGRAM.map((path) => `${root}/scripts/${path}`)]
  const changed = await Promise.all(files.map(async (path) => (await stat(path)).mtimeMs))
  return Math.max(...changed) > startedAt ? `${UNIT} runs an older program` : undefined
}

/** Services that do not run as they should. */
async function differing(shell: Shell): Promise<readonly Difference[]> {
  const wanted = await shell({ allowFailure: true })`docker ${COMPOSE} config --hash ${'*'}`
  const hashes = new Map(
    wanted.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  )
  const list: Difference[] = []
  for (const service of SERVICES) {
    const words = await differenceOf(service, hashes.get(service), shell)
    if (words !== undefined) list.push({ service, ...words })
  }
  return list
}

async function differenceOf(
  service: Service,
  wanted: string | undefined,
  shell: Shell,
): Promise<Omit<Difference, 'service'> | undefined> {
  const format =
    '{{index .Config.Labels "com.docker.compose.config-hash"}} {{.State.Status}} {{.State.Health.Status}}'
  const id = await shell({ allowFailure: true })`docker ${COMPOSE} ps --quiet ${service}`
  if (id.stdout.trim() === '') return { words: `${service} is not running`, isOlder: false }
  const found = await shell({ allowFailure: true })`docker inspect --format ${format} ${id.stdout.trim()}`
  const [hash, status, health] = found.stdout.trim().split(' ')
  if (status !== 'running' || health !== 'healthy')
    return { words: `${service} is ${status}, ${health}`, isOlder: false }
  return hash === wanted ? undefined : { words: `${service} runs with an older configuration`, isOlder: true }
}
