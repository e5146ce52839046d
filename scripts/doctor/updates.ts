import { access } from 'node:fs/promises'
import { ask } from './ask.ts'
import { type Check, no, yes } from './check.ts'

/** Left out of the nightly updates, since they restart the stack. */
const ENGINE = /^(docker|containerd|runc)/
const REBOOT = '/run/reboot-required'

/** What apt would upgrade, by what it knows since its lists were last fetched. */
async function upgradable(): Promise<string[]> {
  const { code, stdout, stderr } = await ask('apt-get', '--simulate', '--with-new-pkgs', 'upgrade')
  if (code !== 0) throw new Error(stderr.split('\n')[0])
  return stdout.split('\n').flatMap((line) => /^Inst (\S+)/.exec(line)?.[1] ?? [])
}

export const updates: readonly Check[] = [
  {
    id: 'operations.updates',
    statement: 'security updates install themselves',
    async look() {
      const { stdout } = await ask('apt-config', 'dump', 'APT::Periodic::Unattended-Upgrade')
      const installed = (await ask('dpkg-query', '--show', 'unattended-upgrades')).code === 0
      const timer = await ask('systemctl', 'is-active', 'apt-daily-upgrade.timer')
      if (!installed) return no('unattended-upgrades is not installed', 'npx zx bootstrap/00-install.ts')
      return /"[1-9]\d*"/.test(stdout) && timer.stdout === 'active'
        ? yes('unattended-upgrades is on')
        : no('installed, but off', 'npx zx bootstrap/00-install.ts')
    },
  },
  {
    id: 'operations.updates-waiting',
    statement: 'no update waits for a person',
    async look() {
      const rebootDue = await access(REBOOT).then(
        () => true,
        () => false,
      )
      if (rebootDue) return no('one asks for a reboot', 'systemctl reboot')
      const engine = (await upgradable()).filter((name) => ENGINE.test(name))
      return engine.length === 0
        ? yes('no reboot is due, the engine is the newest of this release')
        : no(
            `it restarts the stack: ${engine.join(', ')}`,
            `apt-get install --only-upgrade ${engine.join(' ')}`,
          )
    },
  },
]
