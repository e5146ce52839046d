import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { BootstrapReport } from './bootstrap.ts'

export interface Check {
  readonly title: string
  readonly ok: boolean
  /** What was seen; always given for a failure. */
  readonly detail?: string
}

export interface ScenarioResult {
  readonly name: string
  readonly title: string
  readonly seconds: number
  readonly checks: readonly Check[]
  readonly skipped?: string
}

export interface Bar {
  readonly title: string
  readonly unit: string
  readonly limit: number
  readonly value: number
  readonly ok: boolean
}

export interface DrillReport {
  readonly ok: boolean
  readonly started: string
  readonly seconds: number
  readonly commit: string
  /** Uncommitted changes of tracked files took part. */
  readonly modified: boolean
  readonly machine: {
    readonly processors: number
    readonly model: string
    readonly memoryGiB: number
    readonly kernel: string
    readonly engine: string
    readonly cgroup: string
  }
  readonly standIns: readonly { readonly instead: string; readonly from: string }[]
  readonly scenarios: readonly ScenarioResult[]
  readonly bars: readonly Bar[]
  readonly floor: Readonly<Record<string, number>>
  readonly steps: BootstrapReport['steps']
  /** Of the recovery; they overlap. */
  readonly phases: Readonly<Record<string, { from: number; seconds: number }>>
}

export const STAND_INS = [
  { instead: 'node:24-trixie-slim', from: 'Node of the lockfile and npm on Debian forky' },
  { instead: 'gcr.io/distroless/nodejs24-debian13', from: 'Node of the lockfile on Debian forky' },
  { instead: 'postgres:18-alpine', from: 'postgresql-18 of Debian forky' },
  { instead: 'nginx:1.30-alpine', from: 'nginx and busybox of Debian forky' },
] as const

export const machine = (engine: { version: string; cgroup: string }): DrillReport['machine'] => ({
  processors: cpus().length,
  model: cpus()[0]?.model.trim() ?? 'unknown',
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  engine: engine.version,
  cgroup: `v${engine.cgroup}`,
})

const mark = (ok: boolean): string => (ok ? '✓' : '✗')
const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

/** The report for people. */
export function markdown(report: DrillReport): string {
  const { machine } = report
  const failures = report.scenarios.flatMap((scenario) =>
    scenario.checks.filter(({ ok }) => !ok).map((check) => ({ scenario: scenario.name, ...check })),
  )
  return [
    `# Drill of ${report.started.slice(0, 16).replace('T', ' ')} UTC: ${report.ok ? 'passed' : 'FAILED'}`,
    '',
    `Commit ${report.commit}${report.modified ? ' with uncommitted changes' : ''}, ${Math.round(report.seconds)} s in all. ` +
      `${machine.processors} processors (${machine.model}), ${machine.memoryGiB} GiB, kernel ${machine.kernel}, ` +
      `Docker ${machine.engine}, cgroup ${machine.cgroup}.`,
    '',
    ...[row('scenario', 'result', 'checks', 'seconds'), row('---', '---', '---:', '---:')],
    ...report.scenarios.map((scenario) => {
      const good = scenario.checks.filter(({ ok }) => ok).length
      const all = scenario.checks.length
      const result = scenario.skipped ? `skipped: ${scenario.skipped}` : mark(good === all)
      return row(`${scenario.name}: ${scenario.title}`, result, `${good}/${all}`, scenario.seconds.toFixed(1))
    }),
    '',
    ...[row('bar', 'value', 'limit', ''), row('---', '---:', '---:', '---')],
    ...report.bars.map((bar) =>
      row(bar.title, `${bar.value.toFixed(2)} ${bar.unit}`, `${bar.limit} ${bar.unit}`, mark(bar.ok)),
    ),
    '',
    ...[row('step of the bootstrap', 'changed', 'seconds'), row('---', '---:', '---:')],
    ...report.steps.map((step) => row(`${step.id} ${step.title}`, step.changed, step.seconds.toFixed(1))),
    '',
    ...[row('phase of the recovery', 'from', 'seconds'), row('---', '---:', '---:')],
    ...Object.entries(report.phases).map(([name, { from, seconds }]) =>
      row(name, from.toFixed(1), seconds.toFixed(1)),
    ),
    '',
    ...[row('floor', 'seconds'), row('---', '---:')],
    ...Object.entries(report.floor).map(([name, seconds]) => row(name, seconds.toFixed(1))),
    '',
    'Stand-ins, because no public image registry is reachable from the drill:',
    '',
    ...report.standIns.map(({ instead, from }) => `- ${instead}: ${from}`),
    '',
    ...(failures.length > 0 ? ['## What failed', ''] : []),
    ...failures.flatMap(({ scenario, title, detail }) => [
      `### ${scenario}: ${title}`,
      '',
      ...['```', detail ?? '', '```', ''],
    ]),
  ].join('\n')
}

/** Writes report.json and report.md, and a second copy of the JSON when asked for. */
export async function writeReport(report: DrillReport, directory: string, copy?: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const json = `${JSON.stringify(report, null, 2)}\n`
  await writeFile(join(directory, 'report.json'), json)
  await writeFile(join(directory, 'report.md'), markdown(report))
  if (copy) await writeFile(copy, json)
}
