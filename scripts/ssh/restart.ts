import { $ } from 'zx'
import { systemctl } from './pending.ts'

const UNIT = 'ssh.service'

/**
 * Restarts sshd where it runs, or where systemd has given it up; sessions outlive that. systemd refuses the sixth start within
 * ten seconds, and then nobody gets in: so the starts before do not count.
 * @throws when systemctl fails
 */
export async function restartSshd(): Promise<void> {
  const asked = await $({
    quiet: true,
    nothrow: true,
    timeout: '30s',
    input: '',
  })`systemctl is-failed ${UNIT}`
  const gaveUp = asked.exitCode === 0
  // A unit that is not loaded has no count, and systemd calls that an error.
  await systemctl('reset-failed', UNIT).catch(() => undefined)
  await systemctl(gaveUp ? 'restart' : 'try-restart', UNIT)
}
