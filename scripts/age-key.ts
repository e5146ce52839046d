/** Makes age keys, prints them on paper, and proves that the paper can be typed back. */
import { runCommands } from './lib/cli.ts'

await runCommands(
  'scripts/age-key.ts',
  'Makes age keys, prints the paper backup, and rehearses typing it back.',
  {
    new: () => import('./age-key/new.ts'),
    print: () => import('./age-key/print.ts'),
    check: () => import('./age-key/check.ts'),
  },
)
