/** A certificate from Let's Encrypt (or the authority in the answers), handed to nginx and renewed by certbot's own timer. */

import { inspectDeployed } from '../scripts/lib/certificate.ts'
import { isMain } from '../scripts/lib/entry.ts'
import { certificate } from './lib/certbot.ts'
import { files } from './lib/files.ts'
import { main } from './lib/main.ts'
import type { Step } from './lib/resource.ts'
import { unitEnabled } from './lib/units.ts'

const step: Step = {
  id: '20-certbot',
  title: 'Certificate',
  host: (context) => {
    const { root, paths, answers } = context
    const hook = `#!/bin/sh\n# Written by the bootstrap; certbot runs it after each renewal.\nexec ${root}/node_modules/.bin/node ${root}/scripts/deploy-certificate.ts\n`
    return [
      certificate(context, `${paths.state}/acme`),
      {
        title: 'certificate for nginx',
        inspect: () => inspectDeployed(answers.domain),
        apply: async () => {
          await context.shell({
            seconds: 90,
          })`${process.execPath} ${root}/scripts/deploy-certificate.ts ${answers.domain}`
        },
      },
      files('renewal hook', async () => [
        { path: '/etc/letsencrypt/renewal-hooks/deploy/whatsapp-mcp', text: hook, mode: 0o755 },
      ]),
      unitEnabled('certbot.timer', context),
    ]
  },
  local: () => [
    {
      title: 'none: loopback has no name to certify',
      inspect: async () => undefined,
      apply: async () => undefined,
    },
  ],
}

export default step
if (isMain(import.meta.url)) await main([step])
