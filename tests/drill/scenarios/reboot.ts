import type { Drill } from '../lib/drill.ts'
import { DOMAIN } from '../lib/network.ts'
import { say, until } from '../lib/progress.ts'
import { smoke } from '../lib/smoke.ts'

export const title = 'after a reboot it is healthy again by itself'

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const { client } = drill.world.network
  const started = await host.reboot()
  const healthy = await until('health after the reboot', 90, async () => {
    // Not too often: the path has a rate limit, and a refused request must not count as an unhealthy host.
    const answer = await client(
      [
        ...['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '2'],
        ...['--cacert', '/root/acme-root.pem', `https://${DOMAIN}/health`],
      ],
      { mayFail: true },
    )
    return answer.stdout === '200' ? Date.now() : undefined
  })
  const verdict = await host.booted()
  const settled = Date.now()
  // From the first process, so it includes the boot of systemd itself: stricter than "after systemd is up".
  drill.measured.rebootSeconds = (healthy - started) / 1000
  say(
    `  healthy ${((healthy - started) / 1000).toFixed(1)} s and settled ${((settled - started) / 1000).toFixed(1)} s after PID 1`,
  )
  drill.expect('systemd is running with no failed unit', verdict === 'running', verdict)
  await smoke(drill, host)
}
