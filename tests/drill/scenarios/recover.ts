import { stripVTControlCharacters } from 'node:util'
import * as z from 'zod'
import { closeSegment, ship } from '../lib/archive.ts'
import { ANSWERS, KEY_FILE, REPOSITORY } from '../lib/bootstrap.ts'
import { sql, takeContents } from '../lib/data.ts'
import type { Drill } from '../lib/drill.ts'
import { compareFingerprints } from '../lib/fingerprint.ts'
import type { Host } from '../lib/host.ts'
import { type Lost, pendingOnScreen, prepareLoss } from '../lib/loss.ts'
import { ADMIN, DOMAIN } from '../lib/network.ts'
import { searchCanaries } from '../lib/outside/canaries.ts'
import { say, timed, until } from '../lib/progress.ts'
import { tail } from '../lib/run.ts'
import { inShell } from '../lib/runbook/shell.ts'
import { smoke } from '../lib/smoke.ts'
import { type StandIn, standInFor } from '../lib/stand-in.ts'

export const title = 'a lost host comes back from its backup and the key on paper'

const SCRIPTS = `${REPOSITORY}/scripts`

const reportSchema = z.object({
  seconds: z.number(),
  result: z.object({
    set: z.string(),
    rpo_seconds: z.number(),
    phases: z.array(z.object({ name: z.string(), from: z.number(), seconds: z.number() })),
    passed_over: z.array(z.unknown()),
    database: z.object({ rows: z.number(), held: z.number(), unknown: z.number() }),
    media: z.object({ files: z.number(), bytes: z.number(), missing: z.array(z.unknown()) }),
    dns: z.object({ name: z.string(), now: z.array(z.string()), change_to: z.string() }),
    next: z.array(z.string()),
  }),
})
type Report = z.infer<typeof reportSchema>

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const standIn = await standInFor(drill, host)
  const lost = await prepareLoss(drill, host, standIn)
  // After the backup: what the new host does not know of, and the archive does.
  await closeSegment(host)
  await ship(host)
  drill.lost = { set: lost.manifest.name, contents: lost.contents }
  await drill.lose()
  say('    the host is gone, with its disks')

  const fresh = await drill.freshHost('recovered', { nameless: true })
  // The operator brings the repository and a sheet of paper.
  await fresh.exec(['rm', ANSWERS, KEY_FILE])
  const { report, shown } = await recover(drill, fresh)
  await compare(drill, fresh, lost, report)
  await nothingWasSent(drill, fresh, standIn)
  await refusesAgain(drill, fresh)
  await fresh.takeName()
  await useIt(drill, lost)
  await smoke(drill, fresh)
  await releaseOne(drill, fresh, standIn)
  await searchCanaries(drill, fresh, { token: lost.token, bootstrapOutput: shown })
}

/** As on paper: groups of four, one character misread. */
function asTyped(key: string): string {
  const body = key.slice('AGE-SECRET-KEY-1'.length)
  const wrong = body[21] === 'Q' ? 'P' : 'Q'
  const typed = body.slice(0, 21) + wrong + body.slice(22)
  return typed.match(/.{1,4}/g)?.join(' ') ?? ''
}

async function recover(drill: Drill, host: Host): Promise<{ report: Report; shown: string }> {
  const answers = [
    { prompt: 'Recovery key', text: asTyped(drill.world.material.recoveryKey) },
    { prompt: 'Take the corrected key', text: '' },
    { prompt: 'Do this now?', text: 'y' },
  ]
  const place = {
    directory: REPOSITORY,
    exec: (argv: readonly string[], options?: Parameters<Host['exec']>[1]) => host.exec(argv, options),
  }
  const result = await timed('recovery', () =>
    inShell(place, './scripts/restore-host.sh', { answers, limit: 900 }),
  )
  const shown = result.stdout + result.stderr
  drill.expect('restore-host succeeds', result.code === 0, tail(shown, 60))
  if (result.code !== 0) throw new Error(`restore-host ended with ${result.code}\n${tail(shown, 60)}`)
  drill.measured.recoverySeconds = result.seconds
  drill.expect(
    'the slip in the key was found by its group',
    /In group 6|in group 6/.test(shown),
    shown.slice(0, 2000),
  )
  drill.expect(
    'the plan comes before the first change',
    stripVTControlCharacters(shown).search(/about [\s\S]*==> bootstrap/) >= 0,
  )
  const report = reportSchema.parse(
    JSON.parse(await host.read('/var/lib/whatsapp-mcp/jobs/restore-host.json')),
  )
  drill.measured.rpoSeconds = report.result.rpo_seconds
  for (const { name, from, seconds } of report.result.phases) {
    drill.phases[name] = { from, seconds }
  }
  return { report, shown }
}

async function compare(drill: Drill, host: Host, lost: Lost, { result }: Report): Promise<void> {
  drill.expect(
    'it took the newest set',
    result.set === lost.manifest.name,
    `${result.set}, not ${lost.manifest.name}`,
  )
  drill.expect('no set was passed over', result.passed_over.length === 0, JSON.stringify(result.passed_over))
  drill.expect(
    'as many rows as the manifest says',
    result.database.rows === lost.manifest.rows,
    `${result.database.rows}, not ${lost.manifest.rows}`,
  )
  drill.expect(
    'no media file is missing',
    result.media.missing.length === 0,
    JSON.stringify(result.media.missing),
  )
  const { held, unknown } = result.database
  drill.expect(
    'two more messages are held, one is unknown',
    held === lost.held + 2 && unknown === 1,
    `${held} held, ${unknown} unknown`,
  )
  const different = compareFingerprints(lost.contents, await takeContents(host))
  drill.expect(
    'rows, media files and certificates equal those of the lost host',
    different.length === 0,
    different.slice(0, 40).join('\n'),
  )
  drill.expect(
    'the DNS change is named: what is there now, and this host',
    result.dns.name === DOMAIN &&
      result.dns.change_to === (await host.address()) &&
      !result.dns.now.includes(result.dns.change_to),
    JSON.stringify(result.dns),
  )
  drill.expect(
    'nothing of the recovery stays on the disk',
    !(await host.exists('/var/lib/whatsapp-mcp/recovery')),
  )
  const audit = await host.exec([...ADMIN, 'audit', 'verify'], { mayFail: true })
  drill.expect(
    'the audit chain holds, archived files included',
    audit.code === 0,
    audit.stdout + audit.stderr,
  )
  await closeSegment(host)
  const shipped = await ship(host)
  drill.expect(
    'the audit archive goes on in a branch that says why',
    shipped.ok && shipped.result?.archive?.restores === 1,
    JSON.stringify(shipped),
  )
  const timers = await host.exec(['systemctl', 'is-active', 'whatsapp-mcp-backup.timer'], { mayFail: true })
  drill.expect('backups are made again', timers.code === 0, timers.stdout)
}

async function nothingWasSent(drill: Drill, host: Host, standIn: StandIn): Promise<void> {
  // If they were only waiting for their hour, this would send them now.
  await sql(
    host,
    `update outbox set run_after = now() where name = 'wa/message.send.requested' and state <> 'done'`,
  )
  await new Promise((resolve) => setTimeout(resolve, 8000))
  const seen = await pendingOnScreen(drill, standIn)
  drill.expect('nothing that was pending was sent', seen.length === 0, seen.join(', '))
}

async function refusesAgain(drill: Drill, host: Host): Promise<void> {
  const again = await host.exec([`${SCRIPTS}/restore-host.sh`, '--yes', '--recovery-key-file', '/dev/null'], {
    mayFail: true,
    limit: 120,
  })
  drill.expect(
    'a second recovery onto the living host is refused',
    again.code === 3,
    `exit code ${again.code}`,
  )
  drill.expect(
    'and says what lives there',
    /not empty:.*stack runs/.test(again.stderr),
    tail(again.stderr, 8),
  )
}

async function useIt(drill: Drill, lost: Lost): Promise<void> {
  const trust = ['env', 'NODE_EXTRA_CA_CERTS=/root/acme-root.pem', '/project/node_modules/.bin/node']
  const input = {
    url: `https://${DOMAIN}/mcp`,
    key: lost.token,
    calls: [
      { name: 'get_message', arguments: { message_id: lost.message.id } },
      { name: 'get_media', arguments: { media_id: lost.file.id } },
    ],
  }
  const answer = await drill.world.network.client([...trust, '/project/tests/drill/probes/tools.ts'], {
    input: JSON.stringify(input),
    limit: 60,
    mayFail: true,
  })
  drill.expect('the same API key works through a live MCP call', answer.code === 0, answer.stderr)
  const [message, media] = z
    .tuple([
      z.object({ message: z.object({ text: z.object({ value: z.string() }) }) }),
      z.object({ url: z.url() }),
    ])
    .parse(JSON.parse(answer.stdout))
  drill.expect(
    'a message is readable',
    message.message.text.value === lost.message.body,
    JSON.stringify(message),
  )
  const fetched = await drill.world.network.client(
    ['sh', '-c', 'curl -sf --max-time 60 --cacert /root/acme-root.pem "$1" | sha256sum', 'sh', media.url],
    { mayFail: true },
  )
  drill.expect(
    'a media link serves its file',
    fetched.stdout.startsWith(lost.file.sha256),
    fetched.stdout + fetched.stderr,
  )
}

async function releaseOne(drill: Drill, host: Host, standIn: StandIn): Promise<void> {
  const [[id = ''] = []] = await sql(
    host,
    `select o.id from outbox o join messages m on m.id = (o.data->>'messageId')::uuid
     where o.state = 'held' and m.body = 'before the loss: one'`,
  )
  await host.exec([...ADMIN, 'outbox', 'release', id])
  const sent = await until('the released answer', 20, async () => {
    const seen = await pendingOnScreen(drill, standIn)
    return seen.length > 0 ? seen : undefined
  }).catch(() => [])
  drill.expect(
    'a held message that is released is sent, once, and the other stays',
    sent.length === 1,
    sent.join(', '),
  )
}
