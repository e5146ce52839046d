import { basename } from 'node:path'
import { ask, paths, present, run, type Trace } from './trace.ts'

const SYSTEM = '/etc/systemd/system'
/** Units of the distribution that were given a line of ours. */
const EXTENDED = ['certbot.service', 'apt-daily.timer', 'apt-daily-upgrade.timer']

const ownUnits = () => present(`${SYSTEM}/whatsapp-mcp*`)

/** Our units, stopped: those that run, those that wait for their hour. */
export const units: Trace = {
  title: 'units',
  async inspect() {
    const found = await ownUnits()
    return found.length === 0 ? undefined : `${found.length} in ${SYSTEM}`
  },
  async remove() {
    const names = (await ownUnits()).map((path) => basename(path))
    // Timers first, or one of them starts what has just been stopped. A template has no state of its own.
    const whole = names.filter((name) => !name.includes('@.')).sort((a, b) => kind(a) - kind(b))
    if (whole.length > 0) await run('systemctl', 'disable', '--now', ...whole)
    await run('systemctl', 'stop', 'whatsapp-mcp*')
    await paths('', ownUnits).remove()
    await run('systemctl', 'daemon-reload')
    await ask('systemctl', 'reset-failed', 'whatsapp-mcp*')
    await paths('', () => present('/var/lib/systemd/timers/stamp-whatsapp-mcp*')).remove()
  },
}

function kind(name: string): number {
  return name.endsWith('.timer') ? 0 : 1
}

export const extensions: Trace = paths(
  'lines in other units',
  () => present(...EXTENDED.map((name) => `${SYSTEM}/${name}.d/whatsapp-mcp.conf`)),
  {
    emptied: EXTENDED.map((name) => `${SYSTEM}/${name}.d`),
    async after() {
      await run('systemctl', 'daemon-reload')
      // A timer that runs keeps the times it was started with.
      await run('systemctl', 'try-restart', 'apt-daily.timer', 'apt-daily-upgrade.timer')
    },
  },
)
