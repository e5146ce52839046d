import { REPOSITORY } from './bootstrap.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { VAULT } from './vault.ts'

const SFTP = [
  'sftp',
  '-b',
  '-',
  '-oBatchMode=yes',
  '-oUserKnownHostsFile=/run/drill-attack/hosts',
  '-i',
  '/run/drill-attack/key',
]

/** What whoever has taken the host over tries with its credential, each on a file that is there. */
const ATTEMPTS = [
  { what: 'remove', lines: (file: string) => `rm ${file}` },
  { what: 'rename', lines: (file: string) => `rename ${file} backups/sets/gone` },
  { what: 'overwrite', lines: (file: string) => `put /run/drill-attack/junk ${file}` },
  { what: 'append to', lines: (file: string) => `reput /run/drill-attack/more ${file}` },
  { what: 'change the rights of', lines: (file: string) => `chmod 666 ${file}` },
  { what: 'give another owner to', lines: (file: string) => `chown 0 ${file}` },
  { what: 'link to', lines: (file: string) => `ln ${file} backups/sets/second` },
  { what: 'link by name to', lines: (file: string) => `ln -s ${file} backups/sets/third` },
  { what: 'make a directory beside', lines: () => 'mkdir backups/sets/new' },
  { what: 'remove the directory of', lines: () => 'rmdir backups/media' },
] as const

/** The host's own credential must not be able to take anything back, nor to get a shell or a tunnel. */
export async function attackVault(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  const extract = `const s = JSON.parse(require('fs').readFileSync('/run/whatsapp-mcp/secrets/host/offsite_remote', 'utf8'))
    require('fs').writeFileSync('/run/drill-attack/key', s.key_pem, { mode: 0o600 })
    require('fs').writeFileSync('/run/drill-attack/hosts', s.known_hosts)`
  await host.sh(
    'mkdir -m 0700 /run/drill-attack; head -c 1000 /dev/zero > /run/drill-attack/junk; head -c 9000000 /dev/zero > /run/drill-attack/more',
  )
  try {
    await host.exec([`${REPOSITORY}/node_modules/.bin/node`, '-e', extract])
    const before = await vault.checksums()
    const rights = await vault.exec(['find', '/srv/offsite', '-printf', '%m %U %p\n'])
    const file = `backups/${[...before.keys()].find((name) => name.endsWith('.database.dump.age'))}`
    const listed = await sftp(host, `ls -l ${file}`)
    drill.expect('the credential can list', listed.code === 0 && listed.stdout.includes(file), listed.stderr)
    for (const { what, lines } of ATTEMPTS) {
      const tried = await sftp(host, lines(file))
      drill.expect(`the credential cannot ${what} a file`, tried.code !== 0, tried.stdout + tried.stderr)
    }
    const ssh = ['ssh', ...SFTP.slice(3), '-n', `offsite@${VAULT}`]
    const shell = await host.exec([...ssh, 'id'], { mayFail: true, limit: 20 })
    drill.expect('it gets no shell', !/uid=/.test(shell.stdout), shell.stdout)
    const after = await vault.checksums()
    const lost = [...before].filter(([name, sum]) => after.get(name) !== sum)
    drill.expect('everything is as it was', lost.length === 0 && after.size === before.size, lost.join('\n'))
    const still = await vault.exec(['find', '/srv/offsite', '-printf', '%m %U %p\n'])
    drill.expect('with the same rights', still.stdout === rights.stdout)
  } finally {
    await host.exec(['rm', '-rf', '/run/drill-attack'])
  }
}

function sftp(host: Host, lines: string): ReturnType<Host['exec']> {
  return host.exec([...SFTP, `offsite@${VAULT}`], { input: `${lines}\n`, mayFail: true, limit: 30 })
}
