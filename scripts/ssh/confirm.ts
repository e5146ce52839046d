import { command, tell } from '../lib/cli.ts'
import { Refused } from '../lib/fail.ts'
import { disarm, MINUTES, readPending } from './pending.ts'
import { sessionStart } from './session.ts'

export default command({
  usage: 'confirm',
  summary: 'Keeps the change of sshd; only from a session that began after it.',
  options: {},
  async run() {
    if (process.getuid?.() !== 0)
      throw new Refused('only root can confirm', { next: 'sudo npx zx scripts/ssh.ts confirm' })
    const pending = await readPending()
    if (pending === undefined) {
      tell('nothing waits to be confirmed')
      return 0
    }
    const began = await sessionStart()
    if (began === undefined || began <= new Date(pending.at)) {
      throw new Refused('this session does not prove that one can still log in', {
        next: `keep it, log in anew by ssh, and there: npx zx scripts/ssh.ts confirm (until ${until(pending.at)})`,
      })
    }
    await disarm()
    tell('confirmed')
    return 0
  },
})

function until(at: string): string {
  return new Date(Date.parse(at) + MINUTES * 60_000).toISOString()
}
