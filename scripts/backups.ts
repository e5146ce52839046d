/** What has been backed up, whether it is good, and what a restore would do. Each command is a file in scripts/backups/. */
import { runCommands } from './lib/cli.ts'

await runCommands('scripts/backups.ts', 'Looks at backups. Nothing here changes the live database.', {
  list: () => import('./backups/list.ts'),
  verify: () => import('./backups/verify.ts'),
  'plan-restore': () => import('./backups/plan-restore.ts'),
})
