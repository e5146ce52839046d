import { setTimeout as sleep } from 'node:timers/promises'
import { Fail, lastLines } from '../../scripts/lib/fail.ts'
import { APPS, COMPOSE } from '../../scripts/lib/stack.ts'
import type { Shell } from './shell.ts'

const HEALTHY_WITHIN_MS = 120_000
/** The proxy asks for addresses every two seconds. */
const REACHED_WITHIN_MS = 30_000
/** The two ways by which the proxy leads to the server. */
const UPSTREAMS = ['app', 'app_fresh'] as const

/**
 * Brings the server to the configuration as it is now, one replica after the other, so that one always answers. The database
 * is migrated before: its schema serves both versions for that moment.
 *
 * @throws Fail when a replica does not get healthy: it then runs from the image before again, and the other was left alone
 */
export async function roll(shell: Shell): Promise<void> {
  await shell({ seconds: 300 })`docker ${COMPOSE} run --rm --no-deps -T migrate`
  for (const service of APPS) {
    await replace(service, shell)
    await reached(service, shell)
  }
}

async function replace(service: string, shell: Shell): Promise<void> {
  const before = await inspect(service, '{{.Config.Image}}', shell)
  // Not `--no-deps`: Compose would note another hash of the settings, and replace the container once more at its next `up`.
  const up = ['up', '--detach', service]
  await shell({ seconds: 120 })`docker ${COMPOSE} ${up}`
  if (await getsHealthy(service, shell)) return
  const { stdout, stderr } = await shell({
    allowFailure: true,
  })`docker ${COMPOSE} logs --no-log-prefix --tail 15 ${service}`
  await shell({ seconds: 120, env: { WA_IMAGE_APP: before } })`docker ${COMPOSE} ${up}`
  throw new Fail(`${service} did not get healthy; the image before runs again: ${before}`, {
    next: 'name that image in the answers again (docs/operations/upgrade.md, 5), then ./bootstrap/run.sh',
    output: lastLines(stdout + stderr, 15),
  })
}

/** Not Compose's `--wait`: while a server crashes at every start it waits on, until the supervisor steps in. */
async function getsHealthy(service: string, shell: Shell): Promise<boolean> {
  const end = Date.now() + HEALTHY_WITHIN_MS
  const format = '{{.RestartCount}} {{.State.Status}} {{.State.Health.Status}}'
  for (;;) {
    const [restarts, status, health] = (await inspect(service, format, shell)).split(' ')
    if (status === 'running' && health === 'healthy') return true
    if (restarts !== '0' || status === 'exited' || Date.now() > end) return false
    await sleep(300)
  }
}

/** Waits until the proxy has been answered from the new container's own address: only then may the other one go. */
async function reached(service: string, shell: Shell): Promise<void> {
  const format = '{{(index .NetworkSettings.Networks "whatsapp-mcp_edge").IPAddress}}'
  const address = await inspect(service, format, shell)
  const end = Date.now() + REACHED_WITHIN_MS
  for (const upstream of UPSTREAMS) {
    while ((await answering(upstream, shell)) !== `${address}:3000`) {
      if (Date.now() > end)
        throw new Fail(`nginx does not reach ${service}`, { next: 'docker logs whatsapp-mcp-nginx-1' })
      await sleep(200)
    }
  }
}

/** @returns address and port of the replica that answered the proxy; the last one where others were tried before */
async function answering(upstream: (typeof UPSTREAMS)[number], shell: Shell): Promise<string | undefined> {
  const url = `http://127.0.0.1:8081/replica/${upstream}`
  const wget = ['busybox', 'wget', '-q', '-S', '-O', '/dev/null', url]
  const { stderr } = await shell({ allowFailure: true })`docker ${COMPOSE} exec -T nginx ${wget}`
  return /^\s*x-replica: (?:.*, )?(\S+)\s*$/im.exec(stderr)?.[1]
}

async function inspect(service: string, format: string, shell: Shell): Promise<string> {
  const id = (await shell()`docker ${COMPOSE} ps --all --quiet ${service}`).stdout.trim()
  return (await shell()`docker inspect --format ${format} ${id}`).stdout.trim()
}
