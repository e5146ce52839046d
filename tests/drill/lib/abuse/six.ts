import type { Drill } from '../drill.ts'
import { docker, LABEL, NUMBER } from '../engine.ts'
import type { Host } from '../host.ts'
import { NETWORK } from '../network.ts'
import { describe, request, type Stranger } from './stranger.ts'

const SIX = `${NETWORK}-six`
/** Away from those of the engine inside the host, of either kind. */
const SUBNETS = [`10.232.${NUMBER}.0/24`, `fd00:231:${NUMBER}::/64`]
/** What the host or its containers listen on. */
const PORTS = [80, 443, 3000, 5432, 8080, 8443, 9464]
const CANARY = 8082

/**
 * Whoever comes over IPv6 meets nothing: the limits know IPv4 addresses alone, so there must be no second way in.
 * The stranger's and the host's second network is gone afterwards.
 */
export async function probeSix(drill: Drill, host: Host, stranger: Stranger): Promise<void> {
  const machine = `${NETWORK}-${host.name}`
  const subnets = SUBNETS.flatMap((subnet) => ['--subnet', subnet])
  await docker(['network', 'create', '--label', LABEL, '--internal', '--ipv6', ...subnets, SIX])
  try {
    for (const container of [machine, stranger.container])
      await docker(['network', 'connect', SIX, container])
    const format = `{{(index .NetworkSettings.Networks "${SIX}").GlobalIPv6Address}}`
    const address = (await docker(['inspect', '--format', format, machine])).stdout.trim()
    const listener = `require('node:net').createServer((s) => s.end('open')).listen(${CANARY}, '::')`
    await host.exec([
      'systemd-run',
      '--quiet',
      '--collect',
      '--unit=drill-six',
      '/usr/bin/node',
      '-e',
      listener,
    ])
    await host.sh('for i in $(seq 50); do ss -6ltn | grep -q ":$1 " && exit 0; sleep 0.2; done; exit 1', [
      `${CANARY}`,
    ])
    const up = await docker(['exec', stranger.container, 'nmap', '-6', '-n', '-sn', '-oG', '-', address])
    drill.expect('ipv6: the host is there', /Status: Up/.test(up.stdout), up.stdout)
    const attempts = [...PORTS, CANARY].map((port) => ({
      name: String(port),
      port,
      ...(port === 443 || port === 8443 ? {} : { tls: false as const }),
      say: [request('GET /health')],
      seconds: 5,
    }))
    for (const [port, found] of await stranger.attempt(attempts, { host: address }))
      drill.expect(
        `ipv6: nothing answers on port ${port}`,
        found.answer === '' && found.agreed === '',
        describe(found),
      )
  } finally {
    await host.exec(['systemctl', 'stop', 'drill-six'], { mayFail: true })
    for (const container of [machine, stranger.container])
      await docker(['network', 'disconnect', SIX, container], { mayFail: true })
    await docker(['network', 'rm', SIX])
  }
}
