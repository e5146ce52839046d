import { cliPage } from './cli.ts'
import { envPage } from './env.ts'
import { eventsPage } from './events.ts'
import type { Files } from './files.ts'
import { page } from './markdown.ts'
import { metricsPage } from './metrics.ts'
import { toolsPage } from './tools.ts'

const INDEX = page(
  'Reference',
  'scripts/reference',
  'Generated from the code by `npm run reference`; a test fails when it is stale.',
  [
    '- [Tools](tools.md): what agents can call, with every field and error',
    '- [Settings and secrets](env.md)',
    '- [Commands](cli.md): of the server, the bootstrap and the scripts',
    '- [Events and jobs](events.md)',
    '- [Metrics](metrics.md)',
    '- [Code](code/README.md): the interfaces between the parts of the server',
  ].join('\n'),
)

/** Everything but the pages of TypeDoc. */
export async function pages(): Promise<Files> {
  const [tools, env, cli] = await Promise.all([toolsPage(), envPage(), cliPage()])
  return new Map([
    ['README.md', INDEX],
    ['tools.md', tools],
    ['env.md', env],
    ['cli.md', cli],
    ['events.md', eventsPage()],
    ['metrics.md', metricsPage()],
  ])
}
