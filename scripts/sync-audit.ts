/** Sends closed audit segments to another machine, every hour by whatsapp-mcp-audit.timer. */
import { parseArgs } from 'node:util'
import { auditSettings } from '../secrets/remotes.ts'
import { readLocalSegments } from './audit/local.ts'
import { newRemote } from './audit/new-remote.ts'
import { RemoteArchive } from './audit/remote.ts'
import { openSsh } from './audit/ssh.ts'
import { syncAudit, verdict } from './audit/sync.ts'
import { runJob } from './backup/job.ts'
import { paint, printJson, tell } from './lib/cli.ts'
import { isMain, scriptArguments } from './lib/entry.ts'
import { explain, Fail, isDefect, messageOf } from './lib/fail.ts'
import { requiredHostSecret } from './lib/host-secrets.ts'

const SEGMENTS = '/var/lib/whatsapp-mcp/audit'

const USAGE = `Usage: npx zx scripts/sync-audit.ts [options]        on the host, as root

Sends the closed segments of the audit log that the archive on the other machine lacks, signs the end of the chain,
and lets that machine check everything. What is there is never replaced; a segment that differs is an alarm.

  --ask                 send nothing; only ask what is there, whether it is whole, and how old
  --new-remote HOST     make a key and print the value of the secret audit_remote, for secrets.ts set
    --port NUMBER       of the SSH server (default: 22)
    --user NAME         default: whatsapp-audit
  --json                print the result as JSON
  --help                this text

Set up: docs/operations/audit-archive.md. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.`

type Options = ReturnType<typeof parse>

async function command(): Promise<number> {
  let options: Options
  try {
    options = parse()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
    return 2
  }
  if (options.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  if (options['new-remote']) return printNewRemote(options['new-remote'], options)
  if (options.ask) return ask(options)
  return runJob({
    name: 'sync-audit',
    json: options.json,
    run: async (progress) => {
      const settings = auditSettings(await requiredHostSecret('audit_remote'))
      progress('reading the segments of this host')
      const segments = await readLocalSegments(SEGMENTS)
      await using connection = await openSsh(settings)
      const archive = new RemoteArchive(connection)
      return { ...(await syncAudit(archive, { segments, progress })) }
    },
  })
}

function parse() {
  const { values } = parseArgs({
    options: {
      ask: { type: 'boolean', default: false },
      'new-remote': { type: 'string' },
      port: { type: 'string', default: '22' },
      user: { type: 'string', default: 'whatsapp-audit' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    args: scriptArguments(),
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('--port must be 1 to 65535.')
  if (values.ask && values['new-remote'] !== undefined)
    throw new Error('--ask and --new-remote exclude one another.')
  return { ...values, port }
}

async function ask(options: Options): Promise<number> {
  await using connection = await openSsh(auditSettings(await requiredHostSecret('audit_remote')))
  const answer = await verdict(new RemoteArchive(connection))
  if (options.json) printJson(answer)
  else
    tell(
      `whole: ${answer.rows} rows, newest heartbeat ${answer.newest} (${Math.round((answer.age_seconds ?? 0) / 60)} minutes ago)`,
    )
  return 0
}

async function printNewRemote(host: string, { port, user }: Options): Promise<number> {
  if (process.stdout.isTTY) {
    throw new Fail('the value holds a private key and is not shown on a terminal', {
      next: `npx zx scripts/sync-audit.ts --new-remote ${host} | npx zx scripts/secrets.ts set audit_remote`,
    })
  }
  const { settings, publicKey, fingerprint } = await newRemote({ host, port, user })
  process.stdout.write(`${JSON.stringify(settings)}\n`)
  tell(`Host key of ${host}; compare it there: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub`)
  tell(`  ${fingerprint}`)
  tell('Allow this key on the other machine, as root in a clone of this repository:')
  tell(`  ./scripts/audit/setup-archive.sh --user ${user} '${publicKey}'`)
  return 0
}

if (isMain(import.meta.url)) {
  process.exitCode = await command().catch((error: unknown) => {
    tell(`${paint('31', 'failed')}  ${isDefect(error) ? error.stack : messageOf(error)}`)
    if (error instanceof Fail) tell(explain(error))
    return 1
  })
}
