import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { isMet, type Measure, type Subject } from './measure.ts'
import { SUBJECTS } from './measures/all.ts'
import { ROOT, type Stack, startStack } from './stack.ts'

const USAGE = `Usage: npm run bench -- [--only NAME,NAME] [--json FILE] [--list]

Measures the built server against floors taken in the same run. Exit code 1 when a bar is missed or a measure fails.
`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    list: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help || values.list) {
  const names = SUBJECTS.map(({ name, title }) => `${name.padEnd(10)} ${title}\n`)
  process.stdout.write(values.help ? USAGE : names.join(''))
  process.exit(0)
}
const wanted = values.only?.split(',') ?? SUBJECTS.map(({ name }) => name)
const unknown = wanted.filter((name) => !SUBJECTS.some((subject) => subject.name === name))
if (unknown.length > 0) {
  process.stderr.write(`There is no measure named ${unknown.join(', ')}. See --list.\n`)
  process.exit(2)
}

const built = spawnSync(process.execPath, ['server/build.ts'], { cwd: ROOT, stdio: 'inherit' })
if (built.status !== 0) process.exit(1)

const rows: (Measure & { ok: boolean })[] = []
let failed = 0
for (const subject of SUBJECTS.filter(({ name }) => wanted.includes(name))) {
  try {
    for (const measure of await runSubject(subject)) {
      rows.push({ ...measure, ok: isMet(measure) })
      print(measure)
    }
  } catch (error) {
    failed += 1
    process.stdout.write(`✗ ${subject.name}: ${error instanceof Error ? error.message : error}\n`)
  }
}
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version }
  await writeFile(values.json, `${JSON.stringify({ machine, measures: rows }, undefined, 2)}\n`)
}
process.exit(failed === 0 && rows.every(({ ok }) => ok) ? 0 : 1)

async function runSubject(subject: Subject): Promise<readonly Measure[]> {
  const stacks: Stack[] = []
  const openStack = async () => {
    const stack = await startStack()
    stacks.push(stack)
    return stack
  }
  try {
    return await subject.run(openStack)
  } finally {
    for (const stack of stacks) await stack.stop()
  }
}

function print(measure: Measure): void {
  const { name, value, unit, bar, detail } = measure
  const limit = 'atMost' in bar ? `≤ ${bar.atMost}` : `≥ ${bar.atLeast}`
  const figure = `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`
  const mark = isMet(measure) ? '✓' : '✗'
  process.stdout.write(`${mark} ${name.padEnd(36)} ${figure.padEnd(14)} ${limit.padEnd(8)} ${detail}\n`)
}
