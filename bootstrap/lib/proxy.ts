import type { Shell } from './shell.ts'

const OURS = ['--filter', 'label=com.docker.compose.project=whatsapp-mcp']
const PUBLIC = ['--filter', 'publish=80', '--filter', 'publish=443']
const PROXY = ['--filter', 'label=com.docker.compose.service=nginx']

/** Containers by their ids; none where there is no Docker. */
async function list(shell: Shell, options: readonly string[]): Promise<string[]> {
  const found = await shell({ allowFailure: true })`docker ps -q ${options}`
  return found.exitCode === 0 ? found.stdout.split('\n').filter(Boolean) : []
}

/** Whether a container of ours serves the public ports. */
export async function proxyRuns(shell: Shell): Promise<boolean> {
  return (await list(shell, [...PUBLIC, ...OURS])).length > 0
}

/**
 * Whether Docker, which holds the public ports, can only hold them for a container of ours. It takes them before it calls
 * the container running, and until then tells nobody whose they are.
 */
export async function proxyStarts(shell: Shell): Promise<boolean> {
  const ours = await list(shell, ['--all', ...OURS, ...PROXY])
  const running = await list(shell, PUBLIC)
  return ours.length > 0 && running.every((id) => ours.includes(id))
}
