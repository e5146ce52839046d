import type { Authority } from './authority.ts'
import { docker, LABEL, NUMBER } from './engine.ts'
import type { Images } from './images.ts'
import { say, timed, until } from './progress.ts'

export const NETWORK = NUMBER === 0 ? 'whatsapp-mcp-drill' : `whatsapp-mcp-drill-${NUMBER}`
/** Away from 172.16/12, where the engine inside the host makes its own networks. */
const SUBNET = `10.231.${NUMBER}.0/24`

export const DOMAIN = 'wa.drill.test'
const PEBBLE = 'pebble.drill.test'
const REGISTRY = 'registry.drill.test'
/** Resolves to the client, so to a machine that is not the host. */
export const ELSEWHERE = 'elsewhere.drill.test'
/** The client also plays Meta; containers on the host reach it by address, whatever they resolve names with. */
export const STAND_IN = { address: `10.231.${NUMBER}.250`, graphPort: 9100, phonePort: 9101 }
/** The server's admin command line on the host. */
export const ADMIN = ['docker', 'compose', '-f', '/opt/whatsapp-mcp/docker-compose.prod.yml'].concat(
  ['--env-file', '/etc/whatsapp-mcp/stack.env', 'exec', '-T'],
  ['app', '/nodejs/bin/node', '/app/server.js'],
)
export const ACME = `https://${PEBBLE}:14000/dir`

const container = (name: string): string => `${NETWORK}-${name}`

/** Arguments every container of the drill shares. */
export const common = (name: string): string[] => [
  ...['--name', container(name), '--hostname', name],
  ...['--label', LABEL, '--network', NETWORK],
]

/** Removes whatever a drill made: containers with their volumes, then networks. Images stay, they are the cache. */
export async function removeAll(): Promise<void> {
  const list = async (what: readonly string[]): Promise<string[]> =>
    (await docker([...what, '-q', '--filter', `label=${LABEL}`])).stdout.split('\n').filter(Boolean)
  const containers = await list(['ps', '-a'])
  if (containers.length > 0) await docker(['rm', '-f', '-v', ...containers])
  const volumes = await list(['volume', 'ls'])
  if (volumes.length > 0) await docker(['volume', 'rm', '-f', ...volumes])
  const networks = await list(['network', 'ls'])
  if (networks.length > 0) await docker(['network', 'rm', ...networks])
}

export interface Network {
  /** Root that Pebble's certificates lead to, PEM; new with every start of Pebble. */
  readonly acmeRoot: string
  /** Pushes an image of this machine; gives the reference by digest under which the host pulls it. */
  push(image: string, name: string): Promise<string>
  /** Runs a program in the client container. */
  client(argv: readonly string[], options?: Parameters<typeof docker>[1]): ReturnType<typeof docker>
  stop(name: 'registry'): Promise<void>
  start(name: 'registry'): Promise<void>
}

async function serve(
  name: 'pebble' | 'registry',
  host: string,
  image: string,
  authority: Authority,
): Promise<void> {
  const files = await authority.issue(host)
  const port = name === 'registry' ? ['-p', '127.0.0.1::5000'] : []
  await docker(['create', ...common(name), '--network-alias', host, ...port, image])
  await docker(['cp', files, `${container(name)}:/tls`])
  await docker(['start', container(name)])
}

/**
 * The world around the host: an ACME server, a registry and a client on one network.
 * @param project directory of the repository, shown to the client read-only
 */
export async function createNetwork(images: Images, authority: Authority, project: string): Promise<Network> {
  await docker(['network', 'create', '--label', LABEL, '--subnet', SUBNET, NETWORK])
  await Promise.all([
    serve('pebble', PEBBLE, images.pebble, authority),
    serve('registry', REGISTRY, images.registry, authority),
    docker([
      ...['run', '-d', ...common('client'), '--network-alias', ELSEWHERE, '--ip', STAND_IN.address, '--init'],
      // It stands for other machines, which do not wait for the processors of this one.
      ...['--cpu-shares', '262144', '-v', `${project}:/project:ro`, images.client],
    ]),
  ])
  const client: Network['client'] = (argv, options) =>
    docker(['exec', '-i', container('client'), ...argv], options)
  const acmeRoot = await until('root of the ACME server', 20, async () => {
    const answer = await client(['curl', '-sk', '--max-time', '3', `https://${PEBBLE}:15000/roots/0`], {
      mayFail: true,
    })
    return answer.code === 0 && answer.stdout.includes('BEGIN') ? answer.stdout : undefined
  })
  await client(['sh', '-c', 'cat > /root/acme-root.pem'], { input: acmeRoot })
  const port = (await docker(['port', container('registry'), '5000/tcp'])).stdout.trim()
  say(`network ${SUBNET}: ACME server, registry, client`)
  return {
    acmeRoot,
    client,
    async push(image, name) {
      // By the loopback address the engine needs no trust in the drill's authority.
      const here = `${port}/${name}`
      await docker(['tag', image, here])
      await timed(`push ${name}`, () => docker(['push', here], { limit: 300 }))
      const digests = await docker(['inspect', '--format', '{{join .RepoDigests "\\n"}}', here])
      await docker(['rmi', here])
      const digest = digests.stdout.split('\n').find((line) => line.startsWith(`${here}@`))
      if (!digest) throw new Error(`${name} has no digest after the push`)
      return `${REGISTRY}:5000/${name}@${digest.split('@')[1]}`
    },
    async stop(name) {
      await docker(['stop', '-t', '1', container(name)])
    },
    async start(name) {
      await docker(['start', container(name)])
    },
  }
}
