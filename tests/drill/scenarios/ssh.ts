import { REPOSITORY } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { until } from '../lib/progress.ts'
import type { Result } from '../lib/run.ts'
import { ADMINISTRATOR, SshLogins } from '../lib/ssh-logins.ts'

export const title = 'passwords are no longer taken, and nobody is locked out'

const NODE = `${REPOSITORY}/node_modules/.bin/node`
const REMEMBERED = '/etc/whatsapp-mcp/answers.yaml'
const TIMER = 'whatsapp-mcp-ssh-rollback.timer'

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const answers = await host.read(REMEMBERED)
  const logins = new SshLogins(host)
  await logins.prepare()
  try {
    await unconfirmed(drill, host, logins)
    await confirmed(drill, host, logins)
    await strict(drill, host, logins, answers)
  } finally {
    // In any case: hosts that are made from its backups would keep root out.
    await logins.remove().finally(() => install(host, answers))
  }
  const left = await host.sh(
    `systemctl is-enabled ${TIMER}; test -e /var/lib/whatsapp-mcp/ssh-pending.json`,
    [],
    {
      mayFail: true,
    },
  )
  drill.expect('nothing waits in the end', left.stdout.trim() === 'disabled' && left.code === 1, left.stdout)
}

function install(host: Host, answers?: string): Promise<Result> {
  const script =
    answers === undefined ? '"$@"' : 'cat > /run/drill-answers.yaml; "$@" --answers /run/drill-answers.yaml'
  const program = [NODE, `${REPOSITORY}/bootstrap/00-install.ts`]
  return host.exec(['sh', '-c', script, 'sh', ...program], {
    ...(answers === undefined ? {} : { input: answers }),
    mayFail: true,
  })
}

async function unconfirmed(drill: Drill, host: Host, logins: SshLogins): Promise<void> {
  drill.expect('before, a password is enough', await logins.byPassword())
  const first = await install(host)
  drill.expect(
    'the bootstrap asks for a confirmation',
    /scripts\/ssh\.ts confirm/.test(first.stderr),
    first.stderr,
  )
  drill.expect('now it is not', !(await logins.byPassword()))
  drill.expect('a key is', (await logins.byKey('root')) && (await logins.byKey(ADMINISTRATOR)))
  const outside = await host.exec([NODE, `${REPOSITORY}/scripts/ssh.ts`, 'confirm'], { mayFail: true })
  drill.expect('only who has just logged in can confirm', outside.code === 3, outside.stderr)

  const hurried = await host.sh('for n in $(seq 30); do systemctl restart ssh; done', [], {
    mayFail: true,
  })
  drill.expect('somebody who restarts sshd in a hurry loses it', hurried.code !== 0, hurried.stderr)

  // The minutes of the timer pass quicker; all else is as it is.
  const place = `/run/systemd/system/${TIMER}.d`
  const quick = `mkdir -p $1; printf '[Timer]\\nOnActiveSec=\\nOnActiveSec=1s\\n' > $1/drill.conf; systemctl daemon-reload; systemctl restart ${TIMER}`
  await host.sh(quick, [place])
  const back = await until(
    'sshd takes passwords again',
    60,
    async () => (await logins.byPassword()) || undefined,
    1,
  ).catch(() => false)
  drill.expect('unconfirmed, sshd is there again, as it was', back)
  await host.sh('rm -r $1; systemctl daemon-reload', [place])
}

async function confirmed(drill: Drill, host: Host, logins: SshLogins): Promise<void> {
  await install(host)
  const said = await logins.confirm(ADMINISTRATOR)
  const timer = await host.exec(['systemctl', 'is-active', TIMER], { mayFail: true })
  drill.expect(
    'a new session confirms, and the clock stops',
    said.code === 0 && timer.stdout.trim() === 'inactive',
    said.stderr,
  )
  drill.expect('passwords stay refused', !(await logins.byPassword()))
}

async function strict(drill: Drill, host: Host, logins: SshLogins, answers: string): Promise<void> {
  const wanted = `${answers}ssh: strict\n`
  await logins.takeKey()
  const refused = await install(host, wanted)
  drill.expect(
    'strict is refused where it would lock everybody out',
    refused.code === 3 && /nobody else who may become root/.test(refused.stderr),
    refused.stderr,
  )
  drill.expect('and root still gets in', await logins.byKey('root'))
  await logins.giveKey()
  await install(host, wanted)
  drill.expect('strict keeps root out', !(await logins.byKey('root')))
  const said = await logins.confirm(ADMINISTRATOR)
  drill.expect('an administrator gets in and confirms', said.code === 0, said.stderr)
}
