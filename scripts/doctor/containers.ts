import * as z from 'zod'
import { COMPOSE, SERVICES } from '../lib/stack.ts'
import { ask } from './ask.ts'
import { type Check, type Finding, no, yes } from './check.ts'

const DAY = 86_400_000
const OLDEST_DAYS = 60

const containerSchema = z.array(
  z.object({
    Name: z.string(),
    Image: z.string(),
    Config: z.object({ Image: z.string(), User: z.string() }),
    State: z.object({ Status: z.string(), Health: z.object({ Status: z.string() }).nullish() }),
    HostConfig: z.object({
      ReadonlyRootfs: z.boolean(),
      Privileged: z.boolean(),
      CapDrop: z.array(z.string()).nullish(),
      CapAdd: z.array(z.string()).nullish(),
      SecurityOpt: z.array(z.string()).nullish(),
      Memory: z.number(),
      PidsLimit: z.number().nullish(),
      NetworkMode: z.string(),
    }),
    Mounts: z.array(z.object({ Source: z.string().optional() })),
  }),
)

type Container = z.infer<typeof containerSchema>[number]

async function running(): Promise<Container[]> {
  const { stdout } = await ask('docker', ...COMPOSE, 'ps', '--quiet')
  const ids = stdout.split('\n').filter(Boolean)
  if (ids.length === 0) return []
  return containerSchema.parse(JSON.parse((await ask('docker', 'inspect', ...ids)).stdout))
}

/** What one container lacks of its confinement. */
function laxities({ Config, HostConfig: host, Mounts }: Container): string[] {
  const rules: readonly (readonly [string, boolean])[] = [
    ['writable root', !host.ReadonlyRootfs],
    ['privileged', host.Privileged],
    ['capabilities', !(host.CapDrop?.includes('ALL') ?? false) || (host.CapAdd?.length ?? 0) > 0],
    [
      'may gain privileges',
      !(host.SecurityOpt?.some((option) => /^no-new-privileges(:true)?$/.test(option)) ?? false),
    ],
    ['seccomp off', host.SecurityOpt?.includes('seccomp=unconfined') ?? false],
    ['root', Config.User === '' || /^(0|root)(:|$)/.test(Config.User)],
    ['no memory limit', host.Memory === 0],
    ['no process limit', (host.PidsLimit ?? 0) <= 0],
    ['network of the host', host.NetworkMode === 'host'],
    ['the socket of Docker', Mounts.some(({ Source }) => Source?.endsWith('docker.sock') ?? false)],
  ]
  return rules.filter(([, broken]) => broken).map(([name]) => name)
}

async function eachOf(look: (container: Container) => string[], next: string): Promise<Finding> {
  const all = await running()
  if (all.length === 0) return no('no container runs', 'systemctl start whatsapp-mcp')
  const found = all.flatMap((container) => {
    const wrong = look(container)
    return wrong.length === 0 ? [] : [`${container.Name.slice(1)}: ${wrong.join(', ')}`]
  })
  return found.length === 0 ? yes(`${all.length} containers`) : no(found.join('; '), next)
}

export const containers: readonly Check[] = [
  {
    id: 'containers.healthy',
    statement: 'every service runs and is healthy',
    async look() {
      const list = await Promise.all(
        SERVICES.map(async (service) => {
          const { stdout } = await ask('docker', ...COMPOSE, 'ps', '--format', '{{.Health}}', service)
          return { service, health: stdout || 'not running' }
        }),
      )
      const sick = list.filter(({ health }) => health !== 'healthy')
      return sick.length === 0
        ? yes(SERVICES.join(', '))
        : no(
            sick.map(({ service, health }) => `${service} is ${health}`).join(', '),
            'docs/operations/incidents/stack-down.md',
          )
    },
  },
  {
    id: 'containers.confined',
    statement: 'every container is confined',
    look: () => eachOf(laxities, 'systemctl restart whatsapp-mcp'),
  },
  {
    id: 'containers.digests',
    statement: 'images are named by digest',
    look: () =>
      eachOf(
        ({ Config }) => (/@sha256:[0-9a-f]{64}$/.test(Config.Image) ? [] : [Config.Image]),
        'name them by digest in the answers, then ./bootstrap/run.sh',
      ),
  },
  {
    id: 'containers.age',
    statement: `no image is older than ${OLDEST_DAYS} days`,
    async look() {
      const all = await running()
      const { stdout } = await ask(
        'docker',
        'image',
        'inspect',
        '--format',
        '{{.Created}}',
        ...all.map((one) => one.Image),
      )
      const ages = stdout.split('\n').map((created) => Math.floor((Date.now() - Date.parse(created)) / DAY))
      const found = all.map((one, n) => `${one.Name.slice(1)} ${ages[n]} days`)
      return all.length > 0 && ages.every((days) => days <= OLDEST_DAYS)
        ? yes(found.join(', '))
        : no(found.join(', ') || 'no container runs', 'docs/operations/upgrade.md')
    },
  },
]
