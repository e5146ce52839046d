import { bootstrap, mustSucceed, REPOSITORY } from '../lib/bootstrap.ts'
import { takeContents } from '../lib/data.ts'
import type { Drill } from '../lib/drill.ts'
import { compareFingerprints } from '../lib/fingerprint.ts'
import type { Host } from '../lib/host.ts'
import type { Result } from '../lib/run.ts'
import { takeTraces } from '../lib/traces.ts'

export const title = 'it goes without a trace but the data, comes back with it, and goes with it when told'

/** The data, and what says where it belongs. */
const KEPT: readonly RegExp[] = [
  /^path \/etc\/whatsapp-mcp(\/(age\.key|answers\.yaml))?$/,
  /^path \/var\/lib\/whatsapp-mcp(\/(media|audit|backups|jobs|recovery))?$/,
  /^path \/var\/log\/whatsapp-mcp$/,
  /^(path|mention) \/etc\/letsencrypt\/(live|archive|renewal|accounts)\/[a-z0-9.:-]+$/,
  /^mention \/etc\/whatsapp-mcp\/answers\.yaml$/,
  /^volume whatsapp-mcp_pgdata$/,
]

function uninstall(host: Host, options: readonly string[], input = ''): Promise<Result> {
  const program = [`${REPOSITORY}/node_modules/.bin/node`, `${REPOSITORY}/scripts/uninstall.ts`]
  return host.exec([...program, ...options], { input, limit: 180, mayFail: true })
}

export async function run(drill: Drill): Promise<void> {
  const { host, bare } = await drill.undisturbed()
  // What was tried out before, by hand or by a runbook, is no part of a host in service.
  await host.exec(['docker', 'container', 'prune', '--force'])
  const before = await takeContents(host)
  const unasked = await uninstall(host, [])
  drill.expect('it asks first', unasked.code === 3 && /To remove:/.test(unasked.stderr), unasked.stderr)

  const first = await uninstall(host, ['--yes'])
  drill.expect('it succeeds', first.code === 0, first.stderr)
  const left = compareFingerprints(bare, await takeTraces(host))
  const surplus = left.filter(
    (line) => line.startsWith('- ') || !KEPT.some((kept) => kept.test(line.slice(2))),
  )
  drill.expect('no trace is left but the data', surplus.length === 0, surplus.join('\n'))
  drill.expect('the data is there', left.includes('+ volume whatsapp-mcp_pgdata'), left.join('\n'))
  const again = await uninstall(host, ['--yes'])
  drill.expect(
    'once more, there is nothing to remove',
    again.code === 0 && /nothing is there/.test(again.stderr),
    again.stderr,
  )

  mustSucceed(await bootstrap(host, { args: [] }))
  const lost = compareFingerprints(before, await takeContents(host))
  drill.expect('a bootstrap brings the same rows and files back', lost.length === 0, lost.join('\n'))

  const wrong = await uninstall(host, ['--with-data', '--yes'], 'wa.drill.tset\n')
  drill.expect('the data goes only with the name of the host', wrong.code === 3, wrong.stderr)
  const domain = /^domain: (.+)$/m.exec(await host.read('/etc/whatsapp-mcp/answers.yaml'))?.[1] ?? ''
  const all = await uninstall(host, ['--with-data', '--yes'], `${domain}\n`)
  const rest = compareFingerprints(bare, await takeTraces(host))
  drill.expect('then the host is bare', all.code === 0 && rest.length === 0, [all.stderr, ...rest].join('\n'))
}
