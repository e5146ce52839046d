import { rm } from 'node:fs/promises'
import { writeAtomically } from '../../secrets/atomic.ts'
import { command, tell } from '../lib/cli.ts'
import { DROP_IN, disarm, readPending } from './pending.ts'
import { restartSshd } from './restart.ts'

export default command({
  usage: 'rollback',
  summary: 'Puts back what sshd did before the change; the timer runs it when nobody has confirmed.',
  options: {},
  async run() {
    const pending = await readPending()
    if (pending === undefined) {
      tell('nothing waits to be confirmed')
      return 0
    }
    if (pending.before === null) await rm(DROP_IN, { force: true })
    else await writeAtomically(DROP_IN, pending.before, 0o644)
    await restartSshd()
    await disarm()
    tell(`nobody confirmed the change of ${pending.at}: sshd is as before`)
    return 0
  },
})
