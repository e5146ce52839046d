import type { ResourceResult, RunResult, StepResult } from './engine.ts'
import type { Log } from './log.ts'
import type { Step } from './resource.ts'

/** How a run is told: to a person on stderr, line by line, and to the log. */
export interface Reporter {
  stepStarted(step: Pick<Step, 'id' | 'title'>): void
  stepEnded(result: StepResult): void
  resourceStarted(title: string, difference: string): void
  resourceEnded(entry: ResourceResult): void
  close(): void
}

const HEARTBEAT_SECONDS = 10

const paint = (code: number) => (text: string) =>
  process.stderr.isTTY ? `\x1b[${code}m${text}\x1b[0m` : text
export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)

/** Writes a line for a person. Stdout stays free for data. */
export function say(text = ''): void {
  process.stderr.write(`${text}\n`)
}

/** Prints progress as it happens, with a sign of life while something takes long. */
export function progressReporter(log: Log, plan: boolean): Reporter {
  const running = new Map<string, number>()
  const heartbeat = setInterval(() => {
    for (const [title, since] of running) {
      const seconds = Math.round((performance.now() - since) / 1000)
      if (seconds >= HEARTBEAT_SECONDS) say(dim(`    … ${title}, ${seconds} s`))
    }
  }, HEARTBEAT_SECONDS * 1000)
  heartbeat.unref()
  return {
    stepStarted(step) {
      log.line(`==> ${step.id}`)
      say(`${bold(`==> ${step.id}`)}  ${step.title}`)
    },
    stepEnded(result) {
      const state = result.state === 'changed' ? `changed ${result.changed}` : result.state
      log.line(`<== ${result.id} ${state} ${result.seconds} s`)
      say(`${bold(`<== ${result.id}`)}  ${state}  ${result.seconds.toFixed(1)} s`)
    },
    resourceStarted(title, difference) {
      running.set(title, performance.now())
      log.line(`${title}: ${difference}`)
      say(dim(`    … ${title}`))
    },
    resourceEnded(entry) {
      running.delete(entry.title)
      log.line(`${entry.title}: ${entry.state} ${entry.seconds} s`)
      if (entry.state === 'changed')
        say(`    ${green('✓')} ${entry.title}  ${dim(`${entry.seconds.toFixed(1)} s`)}`)
      if (entry.state === 'failed') say(`    ${red('✗')} ${entry.title}`)
      if (entry.state === 'differs') say(`    ${yellow('~')} ${entry.title}: ${entry.difference}`)
      if (entry.state === 'ok' && plan) say(dim(`    = ${entry.title}`))
    },
    close: () => clearInterval(heartbeat),
  }
}

/** One line per step, and the sum. */
export function table(run: RunResult, totalSeconds: number): string {
  const state = (step: StepResult) => (step.state === 'changed' ? `changed ${step.changed}` : step.state)
  const rows = run.steps.map((step) => [step.id, state(step), `${step.seconds.toFixed(1)} s`] as const)
  const changed = run.steps.reduce((sum, step) => sum + step.changed, 0)
  const lines = [...rows, ['total', `changed ${changed}`, `${totalSeconds.toFixed(1)} s`] as const]
  const widths = [0, 1, 2].map((i) => Math.max(...lines.map((line) => line[i as 0 | 1 | 2].length)))
  return lines
    .map(
      ([a, b, c]) =>
        `  ${a.padEnd(widths[0] ?? 0)}  ${b.padEnd(widths[1] ?? 0)}  ${c.padStart(widths[2] ?? 0)}`,
    )
    .join('\n')
}

/** What failed, its own last words, and the one next command. */
export function explainFailure(
  failure: NonNullable<RunResult['failure']>,
  logPath: string | undefined,
): string {
  const output = failure.output === undefined ? '' : `\n${failure.output.replaceAll(/^/gm, '    | ')}`
  const log = logPath === undefined ? '' : `\n  log: ${logPath}`
  return `${red(`${failure.step} failed`)} at ${failure.resource}: ${failure.message}${output}\n  next: ${failure.next}${log}`
}
