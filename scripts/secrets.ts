/** Keeps the one encrypted file of secrets. Each command is a file in scripts/secrets/. */
import { runCommands } from './lib/cli.ts'

await runCommands(
  'scripts/secrets.ts',
  'Keeps secrets/secrets.enc.yaml, the one encrypted file of secrets, and .sops.yaml, the list of who can open it.',
  {
    init: () => import('./secrets/init.ts'),
    set: () => import('./secrets/set.ts'),
    unset: () => import('./secrets/unset.ts'),
    list: () => import('./secrets/list.ts'),
    edit: () => import('./secrets/edit.ts'),
    recipients: () => import('./secrets/recipients.ts'),
    rotate: () => import('./secrets/rotate.ts'),
    verify: () => import('./secrets/verify.ts'),
    explode: () => import('./secrets/explode.ts'),
  },
)
