import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Page, parsePage, placeholders } from '../drill/lib/runbook/page.ts'

/** What can be said of the runbooks without a host. That they are true is for the drill to say. */

const ROOT = join(import.meta.dirname, '../..')
const DIRECTORY = 'docs/operations'
const SECTIONS = ['Symptoms', 'Decide', 'Do', 'Verified resolved', 'Escalate', 'Review']
const MOST_LINES = 120

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const files = globSync('**/*.md', { cwd: join(ROOT, DIRECTORY) }).filter((name) => name !== 'README.md')
const pages = files.map((name) => parsePage(`${DIRECTORY}/${name}`, read(`${DIRECTORY}/${name}`)))
const named = pages.map((page): [string, Page] => [page.file, page])
const commandsOf = (page: Page) =>
  page.blocks.flatMap((block) => block.steps.map((step) => ({ ...step, at: `${page.file}:${step.line}` })))

describe.each(named)('%s', (file, page) => {
  it('has the sections in their order, and fits on a few screens', () => {
    expect(page.title).not.toBe('')
    expect(page.sections.filter((section) => SECTIONS.includes(section))).toEqual(SECTIONS)
    expect(read(file).split('\n').length).toBeLessThanOrEqual(MOST_LINES)
  })

  it('has nothing to type that nobody runs', () => {
    const unproved = page.others.filter(
      ({ section, language }) => !(section === 'Review' || language === 'text' || language === 'mermaid'),
    )
    expect(unproved).toEqual([])
    // That page is nothing but looking.
    const proofs = file.endsWith('/post-deploy-smoke.md') ? 'Do' : 'Verified resolved'
    expect(page.blocks.filter(({ section }) => section === proofs)).not.toEqual([])
  })

  it('names scenarios of the drill that there are', () => {
    for (const { drill } of page.blocks) {
      if (drill !== undefined)
        expect(existsSync(join(ROOT, `tests/drill/scenarios/${drill}.ts`)), drill).toBe(true)
    }
  })

  it('says where everything that is filled in comes from', () => {
    const known = new Set(page.given)
    for (const step of commandsOf(page)) {
      for (const name of placeholders(step.command)) expect(known, `${step.at} <${name}>`).toContain(name)
      for (const name of step.expected.flatMap(placeholders)) known.add(name)
    }
  })

  it('uses commands, verbs and options that there are', () => {
    const wrong = commandsOf(page).flatMap(({ command, at }) =>
      ours(command).flatMap((words) =>
        unknownWord(words).map((word) => `${at}: ${word} in ${words.join(' ')}`),
      ),
    )
    expect(wrong).toEqual([])
  })
})

it('every page is in the index', () => {
  const index = read(`${DIRECTORY}/README.md`)
  expect(files.filter((name) => !index.includes(`](${name})`))).toEqual([])
})

const REFERENCE = read('docs/reference/cli.md')
const PROGRAM = /^(?:npx zx |(?:\S*\/)?node )?(?:\S*\/)?(scripts\/[a-z-]+)\.(ts|sh)$/

/** The parts of a command line that run something of this project, as words. */
function ours(command: string): string[][] {
  return command
    .replaceAll('\\\n', ' ')
    .split(/&&|\|\||[|;]/)
    .map((part) =>
      part
        .trim()
        .replace(/^npx zx /, '')
        .split(/\s+/),
    )
    .filter(
      ([first = '', second = '']) =>
        first === 'wa' || first.includes('run.sh') || PROGRAM.test(first) || PROGRAM.test(second),
    )
}

/** The words the reference does not know: it is generated from the commands themselves. */
function unknownWord([first = '', ...rest]: readonly string[]): string[] {
  if (first === 'wa') {
    const verb = rest.slice(0, 2).join(' ')
    const section = between(REFERENCE, `**\`${verb}`, '\n**`')
    return section === undefined ? [verb] : options(rest).filter((option) => !section.includes(option))
  }
  if (first.includes('run.sh')) {
    const section = between(REFERENCE, '## Bootstrap', '\n## ') ?? ''
    return options(rest).filter((option) => !section.includes(option))
  }
  const [script = '', words] = PROGRAM.test(first) ? [first, rest] : [rest[0], rest.slice(1)]
  const name = PROGRAM.exec(script)?.[1]
  if (!existsSync(join(ROOT, script.replace(/^\.\//, '')))) return [script]
  const section = between(REFERENCE, `### ${name}.ts`, '\n### ')
  if (section === undefined) return [`${script} (not in the reference)`]
  const verb = words.find((word) => /^[a-z][a-z-]*$/.test(word))
  const verbs = section.includes(`npx zx ${name}.ts `) && verb !== undefined ? [verb] : []
  return [...verbs, ...options(words)].filter((word) => !section.includes(word))
}

const options = (words: readonly string[]) =>
  words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0] ?? '')

function between(text: string, start: string, end: string): string | undefined {
  const from = text.indexOf(start)
  if (from < 0) return undefined
  const to = text.indexOf(end, from + start.length)
  return text.slice(from, to < 0 ? undefined : to)
}
