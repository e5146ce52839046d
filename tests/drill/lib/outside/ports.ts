import { REPOSITORY } from '../bootstrap.ts'
import type { Drill } from '../drill.ts'
import type { Host } from '../host.ts'
import { DOMAIN } from '../network.ts'
import { until } from '../progress.ts'

const CANARY_PORT = 8081

/** Every TCP port from another machine, while something on the host listens where nobody should reach it. */
export async function scanPorts(drill: Drill, host: Host): Promise<void> {
  const node = `${REPOSITORY}/node_modules/.bin/node`
  const listener = `require('node:net').createServer((s) => s.end('open')).listen(${CANARY_PORT}, '0.0.0.0')`
  await host.exec(['systemd-run', '--quiet', '--collect', '--unit=drill-canary', node, '-e', listener])
  try {
    const local = await until('the canary listener', 10, async () => {
      const answer = await host.exec(['curl', '-s', '--http0.9', `http://127.0.0.1:${CANARY_PORT}`], {
        mayFail: true,
      })
      return answer.stdout === 'open' || undefined
    })
    drill.expect(`the canary listener on port ${CANARY_PORT} answers on the host itself`, local)
    const scan = await drill.world.network.client(
      [
        ...['nmap', '-n', '-Pn', '-sS', '-p-', '--min-rate', '4000', '--max-retries', '2', '-oG', '-'],
        ...['--host-timeout', '150s', DOMAIN],
      ],
      { limit: 180 },
    )
    const open = [...scan.stdout.matchAll(/(\d+)\/open\/tcp/g)].map((match) => match[1])
    drill.expect(
      'a scan of all TCP ports finds 22, 80 and 443 alone',
      open.join() === '22,80,443',
      scan.stdout,
    )
  } finally {
    await host.exec(['systemctl', 'stop', 'drill-canary'], { mayFail: true })
  }
}
