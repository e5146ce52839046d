import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { REPOSITORY } from '../bootstrap.ts'
import { type Drill, PROJECT } from '../drill.ts'
import type { Host } from '../host.ts'
import { tail } from '../run.ts'
import { match } from './match.ts'
import { type Page, parsePage, placeholders, type Step } from './page.ts'
import { inShell, type Place, withoutPrompts } from './shell.ts'

export const OPERATIONS = 'docs/operations'

/** What the reader of a page would bring. */
export interface Reader {
  readonly drill: Drill
  readonly host: Host
  /** Values of the placeholders; what commands show for others is added. */
  readonly given: Record<string, string>
  /** What is typed at prompts; asked for when it is needed, as some values are made by the page itself. */
  readonly typed?: Readonly<Record<string, () => string | Promise<string>>>
  /** The scenario that reads, for blocks which name one: `drill=recover`. */
  readonly scenario?: string
  /** The operator's own machine; a page without its commands needs none. */
  readonly own?: Place
}

/** Every block that was run, as `file:line`; what is missing in the end was not proved. */
export const executed = new Set<string>()

/** @param name of the page below docs/operations, e.g. `incidents/token.md` */
export async function readPage(name: string): Promise<Page> {
  const file = join(OPERATIONS, name)
  return parsePage(file, await readFile(join(PROJECT, file), 'utf8'))
}

/** Ways to take where a page offers several, by the names of their blocks; each may need something to be prepared. */
export type Ways = Readonly<Record<string, (() => Promise<unknown>) | undefined>>

/**
 * Does what a page says, as somebody who reads it from top to bottom. Each command becomes a check; the first that does
 * not show what the page promises ends it, since nobody could go on from there. Blocks without a name are always run.
 * @returns whether all of it was as the page says
 */
export async function execute(page: Page, reader: Reader, ways: Ways = {}): Promise<boolean> {
  const prepared = new Set<string>()
  for (const block of page.blocks) {
    if (block.drill !== reader.scenario || (block.id !== undefined && !(block.id in ways))) continue
    if (block.id !== undefined && !prepared.has(block.id)) {
      prepared.add(block.id)
      await ways[block.id]?.()
    }
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
  const untold = step.typed.filter(({ name }) => reader.typed?.[name] === undefined)
  if (untold.length > 0) return `nobody says what ‹${untold.map(({ name }) => name).join('›, ‹')}› is`
  const command = step.command.replace(/<([a-z][a-z0-9-]*)>/g, (_, name: string) => reader.given[name] ?? '')
  const answers = await Promise.all(
    step.typed.map(async ({ prompt, name }) => ({ prompt, text: (await reader.typed?.[name]?.()) ?? '' })),
  )
  const place = step.where === 'host' ? onHost(reader.host) : reader.own
  if (place === undefined) return 'there is no machine of the operator to run this on'
  const result = await inShell(place, command, { answers, limit })
  const shown = withoutPrompts(result.stdout)
  if (result.code !== step.exit) {
    return `exit code ${result.code}, expected ${step.exit} (124: it took more than ${limit} s)\n${tail(shown, 30)}`
  }
  const found = match(step.expected, shown, reader.given)
  if (!found.ok) return `expected, and not there: ${found.line}\n${tail(shown, 30)}`
  Object.assign(reader.given, found.captured)
  return undefined
}

/** What a login shell of root has, and a container's own environment has not. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const onHost = (host: Host): Place => ({
  directory: REPOSITORY,
  exec: (argv, options) => host.exec(['env', `PATH=${PATH}`, ...argv], options),
})
