/**
 * A page of docs/operations as data. Only ```console blocks are commands, and all of them are meant to be run:
 * `# ` as root on the host, `$ ` on the operator's own machine, every other line is what is expected to appear.
 */

/** One command and what it must show. */
export interface Step {
  /** Of the prompt, counted from 1. */
  readonly line: number
  readonly where: 'host' | 'own'
  readonly command: string
  /** Lines to appear, in this order; `…` stands for anything, a line of it alone for any lines. */
  readonly expected: readonly string[]
  /** Prompts, each with the name of what a person types there: a line such as `Age key: ‹host-key›`. */
  readonly typed: readonly { readonly prompt: string; readonly name: string }[]
  /** Anything but 0 is written as a last line `[exit 3]`. */
  readonly exit: number
}

export interface Block {
  readonly line: number
  readonly section: string
  /** Commands of one way among several are run only when they are asked for by this name. */
  readonly id: string | undefined
  /** The scenario of the drill that runs the block, where it is not `runbooks`. */
  readonly drill: string | undefined
  /** Seconds each command may take. */
  readonly limit: number
  readonly steps: readonly Step[]
}

export interface Page {
  readonly file: string
  readonly title: string
  readonly sections: readonly string[]
  /** Names of the placeholders that the table of the page explains: `<phone-id>`. */
  readonly given: readonly string[]
  readonly blocks: readonly Block[]
  /** Fenced blocks of other languages, which nobody runs. */
  readonly others: readonly { readonly line: number; readonly section: string; readonly language: string }[]
}

const FENCE = /^(\s*)```(.*)$/
const ATTRIBUTES = new Set(['id', 'drill', 'limit'])
const PROMPT = /^(.+?):? ‹([a-z][a-z0-9-]*)›$/
const LIMIT = 60

/** Placeholders of a text, without their brackets. */
export const placeholders = (text: string): string[] =>
  [...text.matchAll(/<([a-z][a-z0-9-]*)>/g)].map(([, name = '']) => name)

/**
 * @param file name to show in messages, relative to the repository
 * @throws Error naming file and line when a block cannot be understood
 */
export function parsePage(file: string, text: string): Page {
  const lines = text.split('\n')
  const sections: string[] = []
  const given: string[] = []
  const blocks: Block[] = []
  const others: Page['others'][number][] = []
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    const section = sections.at(-1) ?? ''
    const fence = FENCE.exec(line)
    if (fence) {
      const end = lines.findIndex((later, at) => at > index && later.trim() === '```')
      if (end < 0) throw new Error(`${file}:${index + 1}: the block has no end`)
      const [language = '', ...attributes] = (fence[2] ?? '').trim().split(/\s+/)
      const indent = fence[1]?.length ?? 0
      const inside = lines.slice(index + 1, end).map((inner) => inner.slice(indent))
      if (language === 'console') blocks.push(readBlock(file, index + 1, section, attributes, inside))
      else others.push({ line: index + 1, section, language })
      index = end
      continue
    }
    const heading = /^## (.+)$/.exec(line)
    if (heading?.[1]) sections.push(heading[1])
    const row = /^\| `<([a-z][a-z0-9-]*)>` \|/.exec(line)
    if (row?.[1]) given.push(row[1])
  }
  const title = /^# (.+)$/m.exec(text)?.[1] ?? ''
  return { file, title, sections, given, blocks, others }
}

function readBlock(
  file: string,
  line: number,
  section: string,
  attributes: readonly string[],
  inside: readonly string[],
): Block {
  const values = new Map(attributes.map((attribute) => attribute.split('=', 2) as [string, string]))
  for (const name of values.keys()) {
    if (!ATTRIBUTES.has(name)) throw new Error(`${file}:${line}: a block has no attribute ${name}`)
  }
  const limit = Number(values.get('limit') ?? LIMIT)
  if (!(limit > 0)) throw new Error(`${file}:${line}: limit must be a number of seconds`)
  const steps = readSteps(file, line, inside)
  return { line, section, id: values.get('id'), drill: values.get('drill'), limit, steps }
}

function readSteps(file: string, fence: number, inside: readonly string[]): readonly Step[] {
  const steps: { line: number; where: Step['where']; command: string; shown: string[] }[] = []
  let continues = false
  for (const [index, text] of inside.entries()) {
    const prompt = /^([#$]) (.+)$/.exec(text)
    const step = steps.at(-1)
    if (continues && step) step.command += `\n${text}`
    else if (prompt)
      steps.push({
        line: fence + 1 + index,
        where: prompt[1] === '#' ? 'host' : 'own',
        command: prompt[2] ?? '',
        shown: [],
      })
    else if (step) step.shown.push(text)
    else throw new Error(`${file}:${fence + 1 + index}: a block begins with a command: "# …" or "$ …"`)
    continues = (continues || prompt !== null) && text.endsWith('\\')
  }
  if (steps.length === 0) throw new Error(`${file}:${fence}: the block has no command`)
  return steps.map(({ shown, ...step }) => ({ ...step, ...readExpected(shown) }))
}

function readExpected(shown: readonly string[]): Pick<Step, 'expected' | 'typed' | 'exit'> {
  const lines = shown.map((line) => line.replace(/\s+← .*$/, '')).filter((line) => line.trim() !== '')
  const exit = /^\[exit (\d+)\]$/.exec(lines.at(-1)?.trim() ?? '')
  const typed = lines.flatMap((line) => {
    const found = PROMPT.exec(line.trim())
    return found ? [{ prompt: found[1] ?? '', name: found[2] ?? '' }] : []
  })
  return {
    expected: lines.slice(0, exit ? -1 : undefined).filter((line) => !PROMPT.test(line.trim())),
    typed,
    exit: exit ? Number(exit[1]) : 0,
  }
}
