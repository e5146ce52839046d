import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { scriptArguments } from '../../scripts/lib/entry.ts'
import { Fail } from '../../scripts/lib/fail.ts'
import { takeLock } from '../../scripts/lib/lock.ts'
import { ROOT } from '../../scripts/lib/stack.ts'
import { type Answers, collectAnswers } from './answers.ts'
import { type Context, pathsFor } from './context.ts'
import { type RunResult, runSteps } from './engine.ts'
import { finishLocal } from './local.ts'
import { Log } from './log.ts'
import { type Options, parseOptions, USAGE, UsageError } from './options.ts'
import { type Finding, preflight } from './preflight.ts'
import { bold, explainFailure, green, progressReporter, red, say, table } from './report.ts'
import type { Step } from './resource.ts'
import { realShell } from './shell.ts'

const REFUSED = 3

/** Runs the given steps as the command line says, and sets the process's exit code. */
export async function main(steps: readonly Step[]): Promise<void> {
  try {
    process.exitCode = await runCommand(steps, parseOptions(scriptArguments()))
  } catch (error) {
    if (error instanceof UsageError) {
      say(`${error.message}\n\n${USAGE}`)
      process.exitCode = 2
    } else if (error instanceof Fail) {
      say(`${red('refused')}: ${error.message}\n  next: ${error.next}`)
      process.exitCode = REFUSED
    } else throw error
  }
}

async function runCommand(all: readonly Step[], options: Options): Promise<number> {
  if (options.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const steps = select(all, options)
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])
  const changesHost = !options.local && !options.plan
  const lock = changesHost && process.getuid?.() === 0 ? await takeLock() : undefined
  const sandbox = options.local ? await mkdtemp(join(tmpdir(), 'whatsapp-mcp-')) : undefined
  const context = newContext(options, sandbox)
  const started = Number(process.env.BOOTSTRAP_STARTED ?? Date.now() / 1000) * 1000
  const prepared = Math.max(0, (Date.now() - started) / 1000)
  try {
    const findings = await prepare(context, options, steps)
    // A plan goes on with what it found, unless it may not look or does not even know for which domain.
    const blind =
      context.mode === 'host' && (process.getuid?.() !== 0 || context.answers.domain === undefined)
    if (findings.length > 0 && (!options.plan || blind)) return refuse(findings, options)
    if (findings.length > 0) say(listFindings(findings))
    const reporter = progressReporter(context.log, options.plan)
    const run = await runSteps(steps, context, reporter, { plan: options.plan }).finally(() =>
      reporter.close(),
    )
    const seconds = (Date.now() - started) / 1000
    conclude(run, context, options, { seconds, prepared })
    if (run.ok && options.local) await finishLocal(context, options.once)
    return run.ok ? 0 : 1
  } finally {
    for (const cleanUp of context.local?.cleanUp.toReversed() ?? []) await cleanUp()
    if (sandbox !== undefined) await rm(sandbox, { recursive: true, force: true })
    await lock?.release()
  }
}

function select(all: readonly Step[], options: Options): readonly Step[] {
  const find = (name: string) => {
    const index = all.findIndex((step) => step.id === name || step.id.startsWith(`${name}-`))
    if (index < 0)
      throw new UsageError(`there is no step ${name}; the steps are ${all.map((s) => s.id).join(', ')}`)
    return index
  }
  if (options.only !== undefined) return all.slice(find(options.only), find(options.only) + 1)
  return options.from === undefined ? all : all.slice(find(options.from))
}

function newContext(options: Options, sandbox: string | undefined): Context {
  const paths = pathsFor(ROOT, sandbox)
  const writes = sandbox !== undefined || (!options.plan && process.getuid?.() === 0)
  const log = new Log(writes ? paths.logs : undefined)
  return {
    mode: options.local ? 'local' : 'host',
    root: ROOT,
    paths,
    log,
    shell: realShell(log),
    answers: {} as Answers,
    readAgeKey: options.ageKey,
    recovering: options.recovering,
    start: options.start,
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && !options.json,
    ...(sandbox === undefined ? {} : { local: { cleanUp: [] } }),
  }
}

async function prepare(context: Context, options: Options, steps: readonly Step[]): Promise<Finding[]> {
  if (context.mode === 'local') return preflight(context)
  const findings: Finding[] = []
  try {
    context.answers = await collectAnswers({
      file: options.answers,
      remembered: `${context.paths.etc}/answers.yaml`,
      interactive: context.interactive && !options.plan,
    })
  } catch (error) {
    if (!(error instanceof Fail)) throw error
    findings.push({ problem: error.message, remedy: error.next })
  }
  findings.push(...(await preflight(context, { answered: findings.length === 0 })))
  if (findings.length > 0 || options.plan) return findings
  for (const step of steps) await step.ask?.(context)
  return findings
}

function refuse(findings: readonly Finding[], options: Options): number {
  const count = findings.length === 1 ? 'one thing' : `${findings.length} things`
  say(red(`refused before anything was changed: ${count} to mend`))
  say(listFindings(findings))
  if (options.json) print({ ok: false, refused: findings, steps: [] })
  return REFUSED
}

function listFindings(findings: readonly Finding[]): string {
  const indent = (text: string, first: string) => first + text.replaceAll('\n', '\n    ')
  return findings
    .map(({ problem, remedy }) => `${indent(problem, '  ✗ ')}\n${indent(remedy, '    → ')}`)
    .join('\n')
}

function conclude(
  run: RunResult,
  context: Context,
  options: Options,
  time: { seconds: number; prepared: number },
): void {
  const changed = run.steps.reduce((sum, step) => sum + step.changed, 0)
  const url =
    context.mode === 'local'
      ? context.local?.url
      : context.answers.domain && `https://${context.answers.domain}`
  say(`\n${table(run, time.seconds)}`)
  if (run.failure)
    say(`\n${explainFailure(run.failure, context.mode === 'host' ? context.log.path : undefined)}`)
  else if (options.plan) {
    const open = run.steps.flatMap((step) => step.resources).filter((r) => r.state === 'differs').length
    say(open === 0 ? green('\nnothing to do') : bold(`\n${open} to change`))
  } else if (!context.start) say(green('\nprepared: nothing of the stack was started'))
  else if (context.mode === 'host') say(green(`\nhealthy: ${url}`))
  if (!options.json) return
  print({
    ok: run.ok,
    mode: context.mode,
    plan: options.plan,
    seconds: round(time.seconds),
    prepare_seconds: round(time.prepared),
    changed,
    steps: run.steps,
    ...(url === undefined ? {} : { url }),
    ...(run.failure === undefined ? {} : { failure: run.failure }),
    ...(context.log.path === undefined || context.mode === 'local' ? {} : { log: context.log.path }),
  })
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10
}
