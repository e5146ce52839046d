/** What becomes of a change of sshd: kept by somebody who came in with it, or put back by the clock. */
import { runCommands } from './lib/cli.ts'

await runCommands(
  'scripts/ssh.ts',
  `A bootstrap that closes a way in (answers: ssh) puts it back after ten minutes, unless somebody who logged in since
confirms. The timer that waits survives a reboot.`,
  {
    confirm: () => import('./ssh/confirm.ts'),
    rollback: () => import('./ssh/rollback.ts'),
  },
)
