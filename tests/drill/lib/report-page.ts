import type { Bar, DrillReport, ScenarioResult } from './report.ts'
import { tail } from './run.ts'

/** Of a failure's details; all of them are in report.json. */
const DETAIL_LINES = 20

/** The scenario whose figures make a table of their own. */
const CHAOS = 'chaos'

const mark = (ok: boolean): string => (ok ? '✓' : '✗')

type Cell = string | number

/** A table in Markdown, with an empty line behind it; nothing without rows. Columns after the first `left` hold figures. */
function table(head: readonly string[], rows: readonly (readonly Cell[])[], left = 1): string[] {
  if (rows.length === 0) return []
  const line = (cells: readonly Cell[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, index) => (index < left ? '---' : '---:'))), ...rows.map(line), '']
}

/** The report for people: what held, which figures against which limits, what failed, and who says so. */
export function markdown(report: DrillReport, fingerprint: string): string {
  const { machine, scenarios, bars, steps, phases, floor, previous } = report
  return [
    `# Drill of ${report.started.slice(0, 16).replace('T', ' ')} UTC: ${report.ok ? 'passed' : 'FAILED'}`,
    '',
    `Commit ${report.commit}${report.modified ? ' with uncommitted changes' : ''}, ${Math.round(report.seconds)} s in all. ` +
      `${machine.processors} processors (${machine.model}), ${machine.memoryGiB} GiB, kernel ${machine.kernel}, ` +
      `Docker ${machine.engine}, cgroup ${machine.cgroup}.`,
    '',
    ...table(['scenario', 'result', 'checks', 'seconds'], scenarios.map(scenarioRow), 2),
    ...table(
      ['figure', 'of', '', 'value', 'limit'],
      bars
        .filter((bar) => bar.scenario !== CHAOS)
        .map((bar) => [bar.title, bar.scenario, ...comparison(bar)]),
      3,
    ),
    ...table(
      ['chaos: what happens, under traffic', '', 'value', 'limit'],
      bars.filter((bar) => bar.scenario === CHAOS).map((bar) => [bar.title, ...comparison(bar)]),
      2,
    ),
    ...failures(scenarios),
    ...table(
      ['step of the bootstrap', 'changed', 'seconds'],
      steps.map((step) => [`${step.id} ${step.title}`, step.changed, step.seconds.toFixed(1)]),
    ),
    ...table(
      ['phase of the recovery', 'from', 'seconds'],
      Object.entries(phases).map(([name, { from, seconds }]) => [name, from.toFixed(1), seconds.toFixed(1)]),
    ),
    ...table(
      ['floor', 'seconds'],
      Object.entries(floor).map(([name, seconds]) => [name, seconds.toFixed(1)]),
    ),
    'Stand-ins, because no public image registry is reachable from the drill:',
    '',
    ...report.standIns.map(({ instead, from }) => `- ${instead}: ${from}`),
    '',
    `report.json is signed (report.json.sig) with the key ${fingerprint}, ${report.key}. ` +
      `${previous === null ? 'It is the first of its history.' : `The report before it: ${previous.slice(0, 16)}….`} ` +
      'Check both: `npm run drill -- --verify report.json`.',
    '',
  ].join('\n')
}

function comparison({ ok, value, limit, unit }: Bar): Cell[] {
  const digits = unit === '' ? 0 : 2
  return [mark(ok), `${value.toFixed(digits)} ${unit}`, `${limit} ${unit}`]
}

function scenarioRow({ name, title, checks, seconds, skipped }: ScenarioResult): Cell[] {
  const good = checks.filter(({ ok }) => ok).length
  const result = skipped ? `skipped: ${skipped}` : mark(good === checks.length)
  return [`${name}: ${title}`, result, `${good}/${checks.length}`, seconds.toFixed(1)]
}

function failures(scenarios: readonly ScenarioResult[]): string[] {
  const failed = scenarios.flatMap(({ name, checks }) =>
    checks.filter(({ ok }) => !ok).map(({ title, detail = '' }) => ({ title: `${name}: ${title}`, detail })),
  )
  if (failed.length === 0) return []
  const sections = failed.flatMap(({ title, detail }) => [
    ...[`### ${title}`, '', '```', tail(detail, DETAIL_LINES), '```', ''],
  ])
  return ['## What failed', '', ...sections]
}
