import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import {
  type Measure,
  measureBundle,
  measureLocal,
  measureMemory,
  measurePing,
  measureStart,
  measureWebhook,
} from './measure.ts'
import { ROOT, startStack } from './stack.ts'

const USAGE = `Usage: npm run bench -- [--json FILE]

Measures the built server against floors taken in the same run. Exit code 1 when a bar is missed.
`

const { values } = parseArgs({ options: { json: { type: 'string' }, help: { type: 'boolean', short: 'h' } } })
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}

const built = spawnSync(process.execPath, ['server/build.ts'], { cwd: ROOT, stdio: 'inherit' })
if (built.status !== 0) process.exit(1)

const measures: Measure[] = [await measureBundle()]
const stack = await startStack()
try {
  measures.push(await measureStart(stack), await measureMemory(stack))
  measures.push(...(await measureWebhook(stack)), await measurePing(stack))
} finally {
  await stack.stop()
}
const local = await measureLocal()
if (local) measures.push(local)

const rows = measures.map((measure) => ({ ...measure, ok: isMet(measure) }))
for (const { name, value, unit, bar, detail, ok } of rows) {
  const wanted = 'atMost' in bar ? `≤ ${bar.atMost}` : `≥ ${bar.atLeast}`
  const figure = `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`
  process.stdout.write(
    `${ok ? '✓' : '✗'} ${name.padEnd(32)} ${figure.padEnd(14)} ${wanted.padEnd(8)} ${detail}\n`,
  )
}
if (!local) process.stdout.write('- local mode is not here yet\n')
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version }
  await writeFile(values.json, `${JSON.stringify({ machine, measures: rows }, undefined, 2)}\n`)
}
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1

function isMet({ value, bar }: Measure): boolean {
  return 'atMost' in bar ? value <= bar.atMost : value >= bar.atLeast
}
