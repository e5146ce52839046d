/** Replaces a secret of this host and proves it. Each verb is a file in scripts/rotate/. */
import { runCommands } from './lib/cli.ts'

await runCommands(
  'scripts/rotate.ts',
  `Replaces a secret of this host, as root: in the secrets file, in memory, in what uses it, and proves that the new
one works and the old one does not. Interrupted, it is run again and goes on. Exit code 3: nothing was changed.`,
  {
    'meta-token': () => import('./rotate/meta-token.ts'),
    'app-secret': () => import('./rotate/app-secret.ts'),
    'webhook-token': () => import('./rotate/webhook-token.ts'),
    'db-password': () => import('./rotate/db-password.ts'),
    pepper: () => import('./rotate/pepper.ts'),
    'media-key': () => import('./rotate/media-key.ts'),
    'inngest-keys': () => import('./rotate/inngest-keys.ts'),
    'age-key': () => import('./rotate/age-key.ts'),
  },
)
