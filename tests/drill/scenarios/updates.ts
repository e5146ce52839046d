import type { Drill } from '../lib/drill.ts'

export const title = 'security updates come at night, from security archives alone, and without Docker'

const TIMER = 'apt-daily-upgrade.timer'

/** What the distribution's own program says it would do. */
export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const { stdout, stderr } = await host.exec(['unattended-upgrade', '--dry-run', '--debug'], { limit: 180 })
  const said = `${stdout}${stderr}`
  const origins = /^Allowed origins are: (.+)$/m.exec(said)?.[1]?.split(', ') ?? []
  const others = origins.filter((origin) => !/(codename|archive)=[a-z-]+-security(,|$)/.test(origin))
  drill.expect(
    'it looks into security archives alone',
    origins.length > 0 && others.length === 0,
    origins.join('\n'),
  )
  const spared = /^Initial blacklist: (.+)$/m.exec(said)?.[1] ?? ''
  drill.expect('it spares the engine', spared === 'docker containerd runc', spared)
  const configured = await host.sh('apt-config dump Unattended-Upgrade::Automatic-Reboot')
  drill.expect('it does not reboot', /"false"/.test(configured.stdout), configured.stdout)
  const times = await host.exec(['systemctl', 'show', '--property=TimersCalendar,RandomizedDelayUSec', TIMER])
  drill.expect(
    'it works between four and five',
    /OnCalendar=\*-\*-\* 04:00:00 UTC/.test(times.stdout) && /RandomizedDelayUSec=45min/.test(times.stdout),
    times.stdout,
  )
}
