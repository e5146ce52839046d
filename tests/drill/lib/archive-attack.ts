import { segmentsThere, stateThere } from './archive.ts'
import { REPOSITORY } from './bootstrap.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { VAULT } from './vault.ts'

const PLACE = '/run/drill-audit'
const SECRET = '/run/whatsapp-mcp/secrets/host/audit_remote'
const OPTIONS = [
  '-oBatchMode=yes',
  '-oLogLevel=ERROR',
  `-oUserKnownHostsFile=${PLACE}/hosts`,
  '-i',
  `${PLACE}/key`,
]
const THERE = `whatsapp-audit@${VAULT}`

/** What whoever has taken the host over tries with its key; each must fail. */
const attempts = (name: string): readonly { what: string; argv: readonly string[] }[] => {
  const ssh = (...command: string[]) => ['ssh', ...OPTIONS, THERE, ...command]
  return [
    { what: 'get a shell', argv: ssh() },
    { what: 'get a shell on a terminal', argv: ['ssh', '-tt', ...OPTIONS, THERE, 'sh', '-i'] },
    { what: 'run a command', argv: ssh('id') },
    { what: 'run one behind an allowed one', argv: ssh('list; id') },
    { what: 'remove a segment', argv: ssh('rm', name) },
    {
      what: 'overwrite a segment',
      argv: ssh('put', name, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'),
    },
    { what: 'write elsewhere', argv: ssh('put', '../.ssh/authorized_keys', '0') },
    { what: 'name its own signers', argv: ssh('verify', '--signers', '/tmp/mine') },
    { what: 'copy a file over it', argv: ['scp', ...OPTIONS, `${PLACE}/hosts`, `${THERE}:${name}`] },
    {
      what: 'copy a file over it the old way',
      argv: ['scp', '-O', ...OPTIONS, `${PLACE}/hosts`, `${THERE}:${name}`],
    },
    { what: 'speak SFTP', argv: ['sftp', ...OPTIONS, '-b', '/dev/null', THERE] },
    { what: 'reach on through it', argv: ['ssh', ...OPTIONS, '-W', 'localhost:22', THERE] },
  ]
}

/** The host's own key must not be able to change anything there, nor to get further. */
export async function attackArchive(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  const extract = `const s = JSON.parse(require('fs').readFileSync('${SECRET}', 'utf8'))
    require('fs').writeFileSync('${PLACE}/key', s.key, { mode: 0o600 })
    require('fs').writeFileSync('${PLACE}/hosts', s.known_hosts)`
  await host.exec(['mkdir', '-m', '0700', PLACE])
  try {
    await host.exec([`${REPOSITORY}/node_modules/.bin/node`, '-e', extract])
    const [name = ''] = await segmentsThere(vault)
    const before = await stateThere(vault)
    const listed = await host.exec(['ssh', ...OPTIONS, THERE, 'list'], { mayFail: true })
    drill.expect(
      'its key can list the archive',
      listed.code === 0 && listed.stdout.includes(name),
      listed.stderr,
    )
    for (const { what, argv } of attempts(name)) {
      const tried = await host.exec(argv, { mayFail: true, limit: 30 })
      const said = tried.stdout + tried.stderr
      drill.expect(`its key cannot ${what}`, tried.code !== 0 && !/uid=/.test(said), said)
    }
    const after = await stateThere(vault)
    const changed = after.split('\n').filter((line) => !before.includes(line))
    drill.expect('the archive is as it was', after === before, changed.join('\n'))
  } finally {
    await host.exec(['rm', '-rf', PLACE])
  }
}
