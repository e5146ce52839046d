import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Drill, PROJECT } from '../drill.ts'
import type { Host } from '../host.ts'
import { type run, tail } from '../run.ts'
import { match } from './match.ts'
import { type Page, parsePage, placeholders, type Step } from './page.ts'

export const OPERATIONS = 'docs/operations'

/** What the reader of a page would bring. */
export interface Reader {
  readonly drill: Drill
  readonly host: Host
  /** Values of the placeholders; what commands show for others is added. */
  readonly given: Record<string, string>
  /** What is typed at hidden prompts. */
  readonly typed?: Readonly<Record<string, string>>
  /** Runs a command of the operator's own machine; a page without such commands needs none. */
  readonly own?: (command: string, options: { input: string; limit: number }) => ReturnType<typeof run>
}

/** Every block that was run, as `file:line`; what is missing in the end was not proved. */
export const executed = new Set<string>()

/** @param name of the page below docs/operations, e.g. `incidents/token.md` */
export async function readPage(name: string): Promise<Page> {
  const file = join(OPERATIONS, name)
  return parsePage(file, await readFile(join(PROJECT, file), 'utf8'))
}

/**
 * Does what a page says, as somebody who reads it from top to bottom. Each command becomes a check; the first that does
 * not show what the page promises ends it, since nobody could go on from there.
 * @param ids the ways to take, where the page offers several; blocks without a name are always run
 * @returns whether all of it was as the page says
 */
export async function execute(page: Page, reader: Reader, ids: readonly string[] = []): Promise<boolean> {
  for (const block of page.blocks) {
    if (block.drill !== undefined || (block.id !== undefined && !ids.includes(block.id))) continue
    executed.add(`${page.file}:${block.line}`)
    for (const step of block.steps) {
      const problem = await perform(step, block.limit, reader)
      const title = `${page.file}:${step.line}: ${step.command.split('\n')[0]}`
      reader.drill.expect(title, problem === undefined, problem)
      if (problem !== undefined) return false
    }
  }
  return true
}

/** @returns what was not as the page says */
async function perform(step: Step, limit: number, reader: Reader): Promise<string | undefined> {
  const unknown = placeholders(step.command).filter((name) => reader.given[name] === undefined)
  if (unknown.length > 0) return `nobody says what <${unknown.join('>, <')}> is`
  const untold = step.typed.filter((name) => reader.typed?.[name] === undefined)
  if (untold.length > 0) return `nobody says what ‹${untold.join('›, ‹')}› is`
  const command = step.command.replace(/<([a-z][a-z0-9-]*)>/g, (_, name: string) => reader.given[name] ?? '')
  const input = step.typed.map((name) => `${reader.typed?.[name]}\n`).join('')
  const result = await (step.where === 'host' ? onHost : onOwnMachine)(reader, command, { input, limit })
  const shown = result.stdout + result.stderr
  if (result.code !== step.exit) {
    return `exit code ${result.code}, expected ${step.exit} (124: it took more than ${limit} s)\n${tail(shown.trim(), 30)}`
  }
  const found = match(step.expected, shown, reader.given)
  if (!found.ok) return `expected, and not there: ${found.line}\n${tail(shown.trim(), 30)}`
  Object.assign(reader.given, found.captured)
  return undefined
}

// The limit is kept on the host too: a `docker exec` that ends leaves behind what it started.
const SHELL = 'cd /opt/whatsapp-mcp && exec timeout --kill-after=5 "$1" bash -c "$2" 2>&1'

const onHost = (reader: Reader, command: string, o: { input: string; limit: number }) =>
  reader.host.exec(['bash', '-c', SHELL, 'bash', String(o.limit), command], {
    input: o.input,
    limit: o.limit + 15,
    mayFail: true,
  })

function onOwnMachine(reader: Reader, command: string, o: { input: string; limit: number }) {
  if (reader.own === undefined) throw new Error(`no machine of the operator to run ${command} on`)
  return reader.own(command, o)
}
