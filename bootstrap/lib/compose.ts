import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { COMPOSE, COMPOSE_FILE, SERVICES } from '../../scripts/lib/stack.ts'
import type { Context } from './context.ts'
import { fill } from './files.ts'
import type { Resource } from './resource.ts'
import { isActive, isEnabled, restartUnit } from './units.ts'

const UNIT = 'whatsapp-mcp.service'

/** nginx's configuration for this host. */
export async function nginxConfiguration({ root, answers }: Context): Promise<string> {
  return fill(await readFile(`${root}/nginx/nginx.conf`, 'utf8'), { domain: answers.domain })
}

/** What the compose file takes from this host. What is not named keeps the compose file's own default. */
export async function stackVariables(context: Context): Promise<Record<string, string>> {
  const { domain, images, graph_url, inngest, messages_retention_days, media_retention_days } =
    context.answers
  const named: Partial<Record<string, string>> = {
    WA_IMAGE_APP: images.app,
    WA_IMAGE_POSTGRES: images.postgres,
    WA_IMAGE_NGINX: images.nginx,
    WA_IMAGE_INNGEST: images.inngest,
    WA_IMAGE_VALKEY: images.valkey,
    WA_GRAPH_URL: graph_url,
    WA_MESSAGES_RETENTION_DAYS: messages_retention_days?.toString(),
    WA_MEDIA_RETENTION_DAYS: media_retention_days?.toString(),
    ...(inngest && {
      COMPOSE_PROFILES: 'inngest',
      WA_INNGEST_BASE_URL: 'http://inngest:8288',
      WA_INNGEST_SERVE_ORIGIN: 'http://app:3000',
    }),
  }
  const revision = createHash('sha256')
    .update(await nginxConfiguration(context))
    .digest('hex')
    .slice(0, 12)
  const set = Object.entries(named).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return { WA_DOMAIN: domain, ...Object.fromEntries(set), WA_NGINX_REVISION: revision }
}

export async function stackEnvironment(context: Context): Promise<string> {
  const lines = Object.entries(await stackVariables(context)).map(([name, value]) => `${name}=${value}\n`)
  return `# Written by the bootstrap. Nothing in here is secret.\n${lines.join('')}`
}

/** The images of the stack, by digest. Pulled side by side, and early: nothing else depends on them until the start. */
export function images(context: Context, needs: readonly string[]): Resource {
  const { shell } = context
  const missing = async () => {
    const env = await stackVariables(context)
    const list = await shell({
      allowFailure: true,
      env,
    })`docker compose --file ${COMPOSE_FILE} config --images`
    if (list.exitCode !== 0) return ['all of them']
    const wanted = [...new Set(list.stdout.trim().split('\n'))]
    const present = await Promise.all(
      wanted.map(
        async (image) =>
          (await shell({ allowFailure: true })`docker image inspect --format ok ${image}`).exitCode === 0,
      ),
    )
    return wanted.filter((_, i) => present[i] !== true)
  }
  return {
    title: 'images',
    needs,
    async inspect() {
      const list = await missing()
      return list.length === 0 ? undefined : `not on this host: ${list.join(', ')}`
    },
    async apply() {
      await Promise.all((await missing()).map((image) => pull(image, shell)))
    },
  }
}

async function pull(image: string, shell: Context['shell']): Promise<void> {
  const registry = image.split('/')[0]
  await shell({
    seconds: 600,
    next: `check that ${registry} can be reached and, for a private image, that you are logged in: docker login ${registry}`,
  })`docker pull --quiet ${image}`
}

/** The stack as the compose file describes it, healthy, and started by systemd alone. */
export function stack(context: Context): Resource {
  const { shell } = context
  return {
    title: 'stack',
    async inspect() {
      if (!(await isEnabled(UNIT, shell))) return `${UNIT} does not start at boot`
      if (!(await isActive(UNIT, shell))) return `${UNIT} is not active`
      const wanted = await shell({ allowFailure: true })`docker ${COMPOSE} config --hash ${'*'}`
      const hashes = new Map(
        wanted.stdout
          .trim()
          .split('\n')
          .map((line) => line.split(' ') as [string, string]),
      )
      for (const service of SERVICES) {
        const format =
          '{{index .Config.Labels "com.docker.compose.config-hash"}} {{.State.Status}} {{.State.Health.Status}}'
        const id = await shell({ allowFailure: true })`docker ${COMPOSE} ps --quiet ${service}`
        if (id.stdout.trim() === '') return `${service} is not running`
        const found = await shell({
          allowFailure: true,
        })`docker inspect --format ${format} ${id.stdout.trim()}`
        const [hash, status, health] = found.stdout.trim().split(' ')
        if (hash !== hashes.get(service)) return `${service} runs with an older configuration`
        if (status !== 'running' || health !== 'healthy') return `${service} is ${status}, ${health}`
      }
      return undefined
    },
    async apply() {
      await shell()`systemctl enable ${UNIT}`
      await restartUnit(UNIT, shell, 320)
    },
  }
}
