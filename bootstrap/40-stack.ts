/** Images, configuration, and under systemd the containers, backups and alerts. */
import { isMain } from '../scripts/lib/entry.ts'
import { APPS, COMPOSE, STACK_ENV } from '../scripts/lib/stack.ts'
import { images, nginxConfiguration, stackEnvironment } from './lib/compose.ts'
import { files } from './lib/files.ts'
import { jobUnits, timers } from './lib/jobs.ts'
import { sandboxPostgres, sandboxServer } from './lib/local.ts'
import { sandboxNumber, sandboxWhatsApp } from './lib/local-whatsapp.ts'
import { main } from './lib/main.ts'
import type { Step } from './lib/resource.ts'
import { stack } from './lib/stack.ts'
import { unitFile } from './lib/units.ts'

/** What an operator types at night should be short. */
const OPERATOR = `#!/bin/sh
# Written by the bootstrap. The server's commands, by a replica that runs: wa --help
for replica in ${APPS.join(' ')}; do
    [ -n "$(docker ${COMPOSE.join(' ')} ps --status running --quiet $replica)" ] && break
done
exec docker ${COMPOSE.join(' ')} exec -T $replica /nodejs/bin/node /app/server.js "$@"
`

const step: Step = {
  id: '40-stack',
  title: 'Stack',
  host: (context) => [
    // Needs nothing but the engine, and takes longest: it runs beside the steps before it.
    images(context, ['docker engine']),
    files('stack configuration', async () => [
      { path: STACK_ENV, text: await stackEnvironment(context), mode: 0o600 },
      { path: `${context.paths.etc}/nginx/nginx.conf`, text: await nginxConfiguration(context), mode: 0o644 },
      { path: '/usr/local/bin/wa', text: OPERATOR, mode: 0o755 },
    ]),
    jobUnits(context),
    unitFile('whatsapp-mcp.service', context),
    ...(context.start
      ? [
          { ...stack(context), needs: ['images', 'unit whatsapp-mcp.service'] },
          { ...timers(context), needs: ['stack'] },
        ]
      : []),
  ],
  local: (context) => [
    sandboxPostgres(context),
    sandboxWhatsApp(context),
    sandboxServer(context),
    sandboxNumber(context),
  ],
}

export default step
if (isMain(import.meta.url)) await main([step])
