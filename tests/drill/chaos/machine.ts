import { readAlerts } from '../lib/alerts.ts'
import { until } from '../lib/progress.ts'
import { run } from '../lib/run.ts'
import type { Row, Scene } from './scene.ts'

/** As an update of the engine does. The containers live on; only what is new must wait. */
export const dockerRestarted: Row = async (scene) => {
  const from = await scene.strike('systemctl restart docker')
  await scene.ready()
  scene.measure('chaosDockerRestarted', await scene.back(from))
}

/** Its process dies, and with it who would have restarted containers. */
export const dockerKilled: Row = async (scene) => {
  const from = await scene.strike(`
    before=$(pidof dockerd)
    kill -9 "$before"
    until docker version > /dev/null 2>&1 && [ "$(pidof dockerd)" != "$before" ]; do sleep 0.1; done`)
  await scene.ready()
  scene.measure('chaosDockerKilled', await scene.back(from))
}

const KEY_FILE = '/etc/whatsapp-mcp/age.key'
const SECRETS = 'whatsapp-mcp-secrets.service'

/** Another key lies on the host, which opens nothing. */
export const secretsFail: Row = async (scene) => {
  const { host } = scene
  const other = await run(['age-keygen'])
  const key = /AGE-SECRET-KEY-1[A-Z0-9]+/.exec(other.stdout)?.[0]
  await host.sh('mv "$1" /run/age.key; rm -f "/run/whatsapp-mcp-notify/$2.json"', [KEY_FILE, SECRETS])
  try {
    await host.write(KEY_FILE, `${key}\n`, '0400')
    const known = (await alerts(scene)).length
    const since = String(Math.floor(Date.now() / 1000))
    const restarted = await host.exec(['systemctl', 'restart', 'whatsapp-mcp'], { mayFail: true, limit: 180 })
    scene.expect('without its secrets the stack does not start', restarted.code !== 0)
    const running = await scene.script('docker ps --quiet --filter name=whatsapp-mcp')
    scene.expect('and nothing of it runs half-blind', running === '', running)
    const journal = await host.exec([
      'journalctl',
      '-u',
      SECRETS,
      '--since',
      `@${since}`,
      '-o',
      'cat',
      '--no-pager',
    ])
    scene.expect('the journal says why', /key/.test(journal.stdout), journal.stdout)
    const alert = await until('an alert', 60, async () => (await alerts(scene))[known])
    scene.expect('and so does an alert', alert.unit === SECRETS, JSON.stringify(alert))
  } finally {
    await host.sh('mv /run/age.key "$1"; systemctl reset-failed "$2" || true', [KEY_FILE, SECRETS])
  }
  const mended = await scene.strike('systemctl start whatsapp-mcp')
  scene.measure('chaosSecretsFail', await scene.back(mended))

  async function alerts({ drill }: Scene) {
    return (await readAlerts(drill.world.network)).filter(({ unit }) => unit === SECRETS)
  }
}

/** In good order, as after an update of the kernel. */
export const rebooted: Row = async (scene) => {
  const started = await scene.host.reboot()
  const verdict = await scene.host.booted()
  // From the first process, so it includes the boot of systemd itself: stricter than the promise.
  scene.measure('chaosRebooted', await scene.back(started))
  scene.expect('systemd is running with no failed unit', verdict === 'running', verdict)
}
