/** Proves on a bare host what the project promises. `npm run drill -- --help` */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { ALERT_SECRETS, startAlerts } from './lib/alerts.ts'
import { setUpArchive } from './lib/archive.ts'
import { createAuthority } from './lib/authority.ts'
import { Drill, PROJECT, type Scenario, Skipped } from './lib/drill.ts'
import { type Engine, NUMBER, openEngine } from './lib/engine.ts'
import { newestReport, verifyReport } from './lib/history.ts'
import { buildApp, buildImages } from './lib/images.ts'
import { prepareMaterial } from './lib/material.ts'
import { createNetwork, removeAll } from './lib/network.ts'
import { say, timed } from './lib/progress.ts'
import {
  type Bar,
  type DrillReport,
  machine,
  type ScenarioResult,
  STAND_INS,
  writeReport,
} from './lib/report.ts'
import { killChildren } from './lib/run.ts'
import { openSigningKey } from './lib/signature.ts'
import { makeVaultKeys, Vault, vaultSecrets } from './lib/vault.ts'
import * as abuse from './scenarios/abuse.ts'
import * as again from './scenarios/again.ts'
import * as audit from './scenarios/audit.ts'
import * as backup from './scenarios/backup.ts'
import * as badInput from './scenarios/bad-input.ts'
import * as bootstrap from './scenarios/bootstrap.ts'
import * as cert from './scenarios/cert.ts'
import * as chaos from './scenarios/chaos.ts'
import * as conversation from './scenarios/conversation.ts'
import * as corruptNewest from './scenarios/corrupt-newest.ts'
import * as doctor from './scenarios/doctor.ts'
import * as interrupted from './scenarios/interrupted.ts'
import * as offsite from './scenarios/offsite.ts'
import * as outsideIn from './scenarios/outside-in.ts'
import * as programs from './scenarios/programs.ts'
import * as reboot from './scenarios/reboot.ts'
import * as recover from './scenarios/recover.ts'
import * as recoverInterrupted from './scenarios/recover-interrupted.ts'
import * as restore from './scenarios/restore.ts'
import * as roll from './scenarios/roll.ts'
import * as rotateEverything from './scenarios/rotate-everything.ts'
import * as runbooks from './scenarios/runbooks.ts'
import * as ssh from './scenarios/ssh.ts'
import * as uninstall from './scenarios/uninstall.ts'
import * as updates from './scenarios/updates.ts'
import * as upgrade from './scenarios/upgrade.ts'
import * as wrongKey from './scenarios/wrong-key.ts'

/** In this order, so that hosts are shared and only one is up at a time. */
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  bootstrap,
  again,
  conversation,
  reboot,
  'outside-in': outsideIn,
  updates,
  roll,
  ssh,
  abuse,
  programs,
  backup,
  cert,
  offsite,
  audit,
  doctor,
  chaos,
  restore,
  'corrupt-newest': corruptNewest,
  recover,
  'recover-interrupted': recoverInterrupted,
  // Leaves the host with other secrets than the drill knows; the pages take it as it is.
  'rotate-everything': rotateEverything,
  runbooks,
  // Leaves the host without its data: after everything that looks for some.
  uninstall,
  'wrong-key': wrongKey,
  'bad-input': badInput,
  upgrade,
  interrupted,
}

const USAGE = `Usage: npm run drill [-- options]

Boots bare Debian hosts in containers and proves the bootstrap on them. Needs root and a Debian or Ubuntu machine.

  --only NAME[,NAME]  these scenarios alone: ${Object.keys(SCENARIOS).join(', ')}
  --keep              leave hosts and network for a look; the next run removes them
  --json FILE         a second copy of report.json
  --strict            a missed bar fails the run; otherwise it is only shown, since a busy machine misses it too
  --verify FILE       run nothing; check the signature of a report.json, and those of all reports before it
    --signer KEY      public key that must have signed (default: the one the report names)
  --help              this text

Report: tests/drill/report/, signed with the key in the file $DRILL_SIGNING_KEY, or one made there.
Exit codes: 0 all passed, 1 something failed, 2 wrong usage.`

const TEMPORARY = `whatsapp-mcp-drill-${NUMBER}-`

let stopping = false

interface Options {
  only?: string
  keep?: boolean
  json?: string
  strict?: boolean
  verify?: string
  signer?: string
  help?: boolean
}

async function command(): Promise<number> {
  let options: Options
  try {
    options = parseArgs({
      options: {
        only: { type: 'string' },
        keep: { type: 'boolean' },
        json: { type: 'string' },
        strict: { type: 'boolean' },
        verify: { type: 'string' },
        signer: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values
    const unknown = options.only?.split(',').filter((name) => !(name in SCENARIOS)) ?? []
    if (unknown.length > 0) throw new Error(`there is no scenario ${unknown.join(', ')}`)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}\n`)
    return 2
  }
  if (options.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  if (options.verify !== undefined) return verify(options.verify, options.signer)
  const chosen = options.only?.split(',') ?? Object.keys(SCENARIOS)
  const engine = await openEngine()
  let cleaned = false
  const cleanUp = async (): Promise<void> => {
    if (cleaned) return
    cleaned = true
    if (!options.keep) {
      await removeAll()
      await removeTemporary()
      await engine.stop()
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopping = true
      say('interrupted, cleaning up')
      killChildren()
      void cleanUp().finally(() => process.exit(130))
    })
  }
  try {
    return await perform(engine, chosen, { copy: options.json, strict: options.strict === true })
  } finally {
    await cleanUp()
  }
}

async function verify(file: string, signer: string | undefined): Promise<number> {
  if (!existsSync(file)) {
    process.stderr.write(`There is no ${file}. Name a report.json.\n`)
    return 2
  }
  const { faults, links, signer: fingerprint } = await verifyReport(resolve(file), signer)
  for (const { started, ok, commit } of links)
    process.stdout.write(`${started}  ${commit}  ${ok ? 'passed' : 'FAILED'}\n`)
  for (const fault of faults) process.stdout.write(`FAULT ${fault}\n`)
  if (faults.length === 0) process.stdout.write(`${links.length} reports, signed by ${fingerprint}\n`)
  return faults.length === 0 ? 0 : 1
}

/** What an earlier drill left that could not clean up after itself. */
async function removeTemporary(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (name.startsWith(TEMPORARY)) await rm(join(tmpdir(), name), { recursive: true })
  }
}

async function perform(
  engine: Engine,
  chosen: readonly string[],
  o: { copy: string | undefined; strict: boolean },
): Promise<number> {
  const started = new Date()
  await removeAll()
  await removeTemporary()
  const directory = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `${TEMPORARY}${name}-`))
  const images = await timed('images', () => buildImages(engine))
  const authority = await createAuthority(await directory('authority'))
  const vaultKeys = await makeVaultKeys(await directory('vault'))
  const material = await timed('keys, secrets, repository', async () =>
    prepareMaterial(PROJECT, await directory('material'), { ...vaultSecrets(vaultKeys), ...ALERT_SECRETS }),
  )
  const app = await buildApp(engine, images, material.clone)
  const network = await createNetwork(images, authority, PROJECT)
  await startAlerts(network)
  const vault = new Vault(vaultKeys)
  await vault.start(images)
  await setUpArchive(vault, material.clone)
  const stack = {
    app: await network.push(app, 'whatsapp-mcp'),
    postgres: await network.push(images['standin-postgres'], 'postgres'),
    nginx: await network.push(images['standin-nginx'], 'nginx'),
  }
  const drill = new Drill({ engine, images, authority, network, vault, material, stack })
  const results: ScenarioResult[] = []
  const measuredBy: Record<string, string> = {}
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    if (!chosen.includes(name)) continue
    results.push(await runScenario(drill, name, scenario))
    for (const figure of Object.keys(drill.measured)) measuredBy[figure] ??= name
  }
  const bars = await compareBars(drill.measured, measuredBy)
  const checks = results.flatMap((result) => result.checks)
  const counted = o.strict ? [...checks, ...bars] : checks
  const failed = counted.filter(({ ok }) => !ok).length
  const place = join(import.meta.dirname, NUMBER === 0 ? 'report' : `report-${NUMBER}`)
  const key = await openSigningKey(place)
  const report: DrillReport = {
    ok: failed === 0,
    started: started.toISOString(),
    seconds: (Date.now() - started.getTime()) / 1000,
    commit: material.commit,
    modified: material.modified,
    machine: machine(engine),
    standIns: STAND_INS,
    scenarios: results,
    bars,
    floor: drill.floor,
    steps: drill.steps,
    phases: drill.phases,
    previous: await newestReport(place),
    key: key.publicKey,
  }
  await writeReport(report, place, { key, copy: o.copy })
  say(`report: ${join(place, 'report.md')}`)
  process.stdout.write(`${await readFile(join(place, 'report.md'), 'utf8')}\n`)
  process.stdout.write(`${counted.length - failed} passed, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
}

async function runScenario(drill: Drill, name: string, scenario: Scenario): Promise<ScenarioResult> {
  say(`${name}: ${scenario.title}`)
  const from = performance.now()
  let skipped: string | undefined
  try {
    await scenario.run(drill)
  } catch (error) {
    // Not a finding: the children were killed on purpose, and the signal handler ends the process.
    if (stopping) await new Promise(() => {})
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (error instanceof Skipped) skipped = error.message
    else drill.expect('ran to its end', false, text)
  }
  const checks = drill.takeChecks()
  const seconds = (performance.now() - from) / 1000
  const bad = checks.filter(({ ok }) => !ok).length
  const outcome = skipped ? `skipped, ${skipped}` : `${checks.length - bad} of ${checks.length} checks passed`
  say(`${name}: ${outcome}, ${seconds.toFixed(1)} s`)
  return { name, title: scenario.title, seconds, checks, ...(skipped ? { skipped } : {}) }
}

const barsSchema = z.record(z.string(), z.object({ title: z.string(), unit: z.string(), limit: z.number() }))

/** The bars of every figure that was measured in this run. */
async function compareBars(
  measured: Readonly<Record<string, number>>,
  measuredBy: Readonly<Record<string, string>>,
): Promise<readonly Bar[]> {
  const bars = barsSchema.parse(JSON.parse(await readFile(join(import.meta.dirname, 'bars.json'), 'utf8')))
  return Object.entries(bars).flatMap(([name, bar]) => {
    const value = measured[name]
    return value === undefined
      ? []
      : [{ ...bar, scenario: measuredBy[name] ?? '', value, ok: value <= bar.limit }]
  })
}

process.exitCode = await command()
