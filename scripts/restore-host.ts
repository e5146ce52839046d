/** Brings a lost host back: bare host + this repository + the recovery key from paper. */
import tls from 'node:tls'
import { ageOf, isSetName } from './backup/layout.ts'
import { command, printJson, runCommand, tell, UsageError } from './lib/cli.ts'
import { Fail, messageOf, Refused } from './lib/fail.ts'
import { takeLock } from './lib/lock.ts'
import { placeIn } from './lib/place.ts'
import { askYesNo, isInteractive } from './lib/prompt.ts'
import { openRemote } from './offsite/remote.ts'
import { openIdentity } from './offsite/seal.ts'
import { Choice } from './restore-host/choice.ts'
import { keySource } from './restore-host/key-source.ts'
import { Phases } from './restore-host/phases.ts'
import { checkRoom, formatPlan, makePlan } from './restore-host/plan.ts'
import { recover } from './restore-host/recover.ts'
import { type Opened, openWithRecoveryKey } from './restore-host/recovery-key.ts'
import { formatReport, keepReport, nextSteps, type Report } from './restore-host/report.ts'
import { readState, removeWork, type State, writeState } from './restore-host/state.ts'
import { whatIsHere } from './restore-host/target.ts'

interface Options {
  readonly set?: string | undefined
  readonly plan?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly json?: boolean | undefined
}

await runCommand(
  'scripts/restore-host.ts',
  command({
    usage: '[options]        on a bare host, as root; ./scripts/restore-host.sh where there is no Node yet',
    summary: `Brings a lost host back: installs the stack and puts the newest good offsite backup into it, with database,
media and certificates. Needs this repository with its secrets file, and the recovery key from paper, which is
used in memory only. Ends with the DNS change to make. Killed, it goes on where it was when it is run again.`,
    details: `  --recovery-key-file FILE  read the recovery key from a file (- for standard input) instead of a hidden prompt
  --recovery-key-fd N       read the recovery key from an open file descriptor
  --set NAME                this backup set and no other (default: the newest good one)
  --plan                    show what would be done, and for how long; change nothing
  --yes                     do not ask before the first change
  --json                    print the result as JSON on standard output

Exit codes: 0 recovered, 1 failed, 2 wrong usage, 3 refused before anything was changed.`,
    options: {
      'recovery-key-file': { type: 'string' },
      'recovery-key-fd': { type: 'string' },
      set: { type: 'string' },
      plan: { type: 'boolean' },
      yes: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    async run(o) {
      if (o.set !== undefined && !isSetName(o.set))
        throw new UsageError('--set takes the name of a backup set, such as 20261121T074605Z.')
      const readKey = keySource(o['recovery-key-file'], o['recovery-key-fd'])
      const phases = new Phases(Number(process.env.BOOTSTRAP_STARTED ?? Date.now() / 1000) * 1000)
      try {
        return await restoreHost(o, readKey, phases)
      } catch (error) {
        if (o.json === true) {
          const next = error instanceof Fail ? { next: error.next } : {}
          const refused = error instanceof Refused
          printJson({
            ok: false,
            refused,
            error: { message: messageOf(error), ...next },
            phases: phases.results,
          })
        }
        throw error
      } finally {
        phases.close()
      }
    },
  }),
)

async function restoreHost(
  o: Options,
  readKey: (() => Promise<string>) | undefined,
  phases: Phases,
): Promise<number> {
  if (process.getuid?.() !== 0)
    throw new Refused('a host can only be recovered by root', { next: 'sudo ./scripts/restore-host.sh' })
  // Before anybody takes the paper out: is there anything to do here?
  const lock = await takeLock('database', 'something works on the database of this host')
  try {
    const earlier = await checkTarget(o.set)
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])
    const opened = await openWithRecoveryKey(placeIn(undefined), readKey)
    return await withKey(o, opened, phases, earlier, () => lock.release())
  } finally {
    await lock.release()
  }
}

/**
 * Looks whether this host may be overwritten.
 * @returns the state of an earlier run that did not finish
 * @throws Refused for a host that is in use
 */
async function checkTarget(set: string | undefined): Promise<State | undefined> {
  const earlier = await readState()
  if (earlier === undefined) {
    const here = await whatIsHere()
    if (here.length === 0) return undefined
    throw new Refused(`this host is not empty: ${here.join('; ')}`, {
      next: 'recover onto a bare host; to put a backup into a host that lives: npx zx scripts/restore-db.ts',
    })
  }
  if (set !== undefined && earlier.database !== undefined && earlier.database.set !== set) {
    throw new Refused(`an unfinished recovery has already restored ${earlier.database.set} here`, {
      next: 'leave --set out to finish it; then npx zx scripts/restore-db.ts puts another set in',
    })
  }
  return earlier
}

async function withKey(
  o: Options,
  opened: Opened,
  phases: Phases,
  earlier: State | undefined,
  releaseDatabase: () => Promise<void>,
): Promise<number> {
  const place = placeIn(undefined)
  await using remote = await openRemote(opened.remote)
  using identity = openIdentity(opened.identity, remote.privateDirectory)
  // What an earlier run restored is not restored again.
  const choice = new Choice(remote, opened.signingKey, o.set ?? earlier?.database?.set)
  const { set, host } = await phases.run('look at the backups', () =>
    choice.first(remote, identity, place.sopsYaml),
  )
  const mediaListing = await remote.list('media')
  const mediaBytes = mediaListing.reduce((sum, file) => sum + file.bytes, 0)
  const plan = await makePlan({
    set,
    host,
    mediaBytes,
    passedOver: choice.passedOver,
    resumes: earlier !== undefined,
  })
  tell(`\n${formatPlan(plan)}\n`)
  if (o.plan === true) {
    if (o.json === true) printJson({ ok: true, plan })
    return 0
  }
  checkRoom(plan)
  await confirm(o.yes === true)
  const started = earlier?.started ?? new Date(Date.now() - phases.seconds * 1000).toISOString()
  const state: State = { ...earlier, version: 1, started }
  await writeState(state)
  const done = await recover({
    phases,
    remote,
    identity,
    choice,
    set,
    host,
    mediaListing,
    state,
    releaseDatabase,
  }).catch((error: unknown) => {
    // Whatever a part of it refuses, this host was changed.
    throw error instanceof Refused ? new Fail(error.message, error) : error
  })
  await removeWork()
  const report: Report = {
    ok: true,
    domain: host.domain,
    url: `https://${host.domain}`,
    set: done.set,
    rto_seconds: Math.round((Date.now() - Date.parse(started)) / 1000),
    rpo_seconds: ageOf(done.set, new Date(started)),
    phases: phases.results,
    passed_over: choice.passedOver,
    database: done.database,
    media: done.media,
    certificate_ends: plan.certificate_ends,
    dns: plan.dns,
    next: nextSteps({ ...done, dns: plan.dns }),
  }
  await keepReport(report, started)
  tell(`\n${formatReport(report, phases.seconds)}`)
  if (o.json === true) printJson(report)
  return 0
}

async function confirm(yes: boolean): Promise<void> {
  if (yes) return
  if (!isInteractive())
    throw new Refused('nobody is here to agree to this plan', { next: 'run it on a terminal, or add --yes' })
  if (!(await askYesNo('Do this now?', 'Add --yes.')))
    throw new Refused('stopped before anything was changed', { next: 'run it again when you are ready' })
}
