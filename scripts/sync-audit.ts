/** Sends closed audit segments to another machine. Started by whatsapp-mcp-audit.service. */
import { auditSettings } from '../secrets/remotes.ts'
import { readLocalSegments } from './audit/local.ts'
import { newRemote } from './audit/new-remote.ts'
import { RemoteArchive } from './audit/remote.ts'
import { openSsh } from './audit/ssh.ts'
import { syncAudit, verdict } from './audit/sync.ts'
import { runJob } from './backup/job.ts'
import { command, printJson, runCommand, tell, UsageError } from './lib/cli.ts'
import { Refused } from './lib/fail.ts'
import { requiredHostSecret } from './lib/host-secrets.ts'

const SEGMENTS = '/var/lib/whatsapp-mcp/audit'
const DEFAULT_USER = 'whatsapp-audit'

await runCommand(
  'scripts/sync-audit.ts',
  command({
    usage: '[--ask] [--json] | --new-remote HOST',
    summary: `Sends the closed segments of the audit log that the archive in the secret audit_remote lacks, signs the end
of the chain, and lets that machine check all it holds. Nothing there is replaced or removed; a segment that differs is
an alarm.`,
    details: `  --ask               send nothing; only ask whether the archive is whole, and how old
  --json              the record of this run on standard output
  --new-remote HOST   make a key, and print the value of audit_remote for secrets.ts set
    --port NUMBER     of the SSH server (default: 22)
    --user NAME       account of the archive (default: ${DEFAULT_USER})

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.`,
    options: {
      ask: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      'new-remote': { type: 'string' },
      port: { type: 'string', default: '22' },
      user: { type: 'string', default: DEFAULT_USER },
    },
    async run(o) {
      if (o['new-remote'] !== undefined)
        return printNewRemote({ host: o['new-remote'], port: portOf(o.port), user: o.user })
      return o.ask ? ask(o.json) : send(o.json)
    },
  }),
)

function send(json: boolean): Promise<number> {
  return runJob({
    name: 'sync-audit',
    json,
    run: async (progress) => {
      await using connection = await openRemote()
      progress('reading the segments of this host')
      const segments = await readLocalSegments(SEGMENTS)
      const result = await syncAudit(new RemoteArchive(connection), { segments, progress })
      progress(result.archive ? `whole: ${result.archive.rows} rows` : 'no segment was closed yet')
      return { ...result }
    },
  })
}

async function ask(json: boolean): Promise<undefined> {
  await using connection = await openRemote()
  const answer = await verdict(new RemoteArchive(connection))
  const minutes = Math.round((answer.age_seconds ?? 0) / 60)
  if (json) printJson(answer)
  else tell(`whole: ${answer.rows} rows, newest heartbeat ${answer.newest}, ${minutes} minutes old`)
}

async function openRemote() {
  return openSsh(auditSettings(await requiredHostSecret('audit_remote')))
}

function portOf(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new UsageError('--port must be 1 to 65535.')
}

async function printNewRemote(place: { host: string; port: number; user: string }): Promise<undefined> {
  if (process.stdout.isTTY) {
    throw new Refused('the value holds a private key and is not shown on a terminal', {
      next: `npx zx scripts/sync-audit.ts --new-remote ${place.host} | npx zx scripts/secrets.ts set audit_remote`,
    })
  }
  const { settings, publicKey, fingerprint } = await newRemote(place)
  process.stdout.write(`${JSON.stringify(settings)}\n`)
  tell(`Host key of ${place.host}; compare it there: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub`)
  tell(`  ${fingerprint}`)
  tell('Allow this key on the other machine, as root in a clone of this repository:')
  const account = place.user === DEFAULT_USER ? '' : `--user ${place.user} `
  tell(`  ./scripts/audit/setup-archive.sh ${account}'${publicKey}'`)
}
