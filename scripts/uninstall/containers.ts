import { ask, run, type Trace } from './trace.ts'

/** Compose puts it on everything it makes, so neither its file nor ours is needed to find that again. */
const OURS = 'label=com.docker.compose.project=whatsapp-mcp'

/** @throws {Fail} when there is a Docker that does not answer: what it holds would be overlooked */
async function list(...words: readonly string[]): Promise<string[]> {
  if ((await ask('docker', '--version')) === '') return []
  return (await run('docker', ...words, '--filter', OURS)).split('\n').filter(Boolean)
}

const containers = () => list('ps', '--all', '--quiet')
const networks = () => list('network', 'ls', '--quiet')
const volumes = () => list('volume', 'ls', '--quiet')

/** Containers, their images and their networks. */
export const stack: Trace = {
  title: 'containers',
  async inspect() {
    const [one, two] = await Promise.all([containers(), networks()])
    const parts = [
      ...(one.length > 0 ? [`${one.length} containers and their images`] : []),
      ...(two.length > 0 ? [`${two.length} networks`] : []),
    ]
    return parts.length === 0 ? undefined : parts.join(', ')
  },
  async remove() {
    const ids = await containers()
    const images =
      ids.length === 0 ? [] : (await run('docker', 'inspect', '--format', '{{.Image}}', ...ids)).split('\n')
    if (ids.length > 0) await run('docker', 'rm', '--force', ...ids)
    for (const network of await networks()) await run('docker', 'network', 'rm', network)
    // One that another container uses stays.
    for (const image of new Set(images)) await ask('docker', 'rmi', image)
  },
}

export const database: Trace = {
  title: 'database',
  async inspect() {
    const found = await volumes()
    return found.length === 0 ? undefined : `volume ${found.join(', ')}`
  },
  async remove() {
    for (const volume of await volumes()) await run('docker', 'volume', 'rm', volume)
  },
}
