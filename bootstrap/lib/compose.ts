import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { COMPOSE_FILE } from '../../scripts/lib/stack.ts'
import type { Context } from './context.ts'
import { fill } from './files.ts'
import type { Resource } from './resource.ts'

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

/** The text of /etc/whatsapp-mcp/stack.env: what the compose file of this host is filled in with. */
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
