import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { refusal } from '../../server/meta/errors.ts'
import { explainMetaError, META_CODES } from '../../server/meta/explain.ts'
import { BUDGET_ERRORS } from '../../server/outbound/budget.ts'
import { code, table } from './markdown.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Every ToolError is made like this: message, then code, then category. */
const THROWN = /new ToolError\(\s*([\s\S]*?)[,{]\s*code:\s*'(\w+)',\s*category:\s*'(\w+)'/g
/** Whose codes are computed; the tables below name them. */
const COMPUTED = new Set([
  'server/outbound/budget.ts',
  'server/outbound/outcome.ts',
  'server/outbound/refusal.ts',
])

interface ErrorLine {
  readonly code: string
  readonly category: string
  readonly says: string
}

/** What a failed call can say, and what Meta's codes mean. */
export async function errorSections(): Promise<string[]> {
  const lines = [...(await thrownErrors()), ...budgetErrors()]
  const rows = [...Map.groupBy(lines, (line) => line.code)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, same]) => [
      code(name),
      code(same[0]?.category ?? ''),
      [...new Set(same.map(({ says }) => says))].filter(Boolean).join(' · '),
    ])
  return [
    '## Errors',
    'A failed call is a result with `isError` and `{error: {code, category, message, retryable, retry_after_s, hint}}`, some with ' +
      'facts of their own beside these. A call that names no tool we have is a protocol error, -32602.',
    table(['Code', 'Category', 'Says'], rows),
    '### Refusals of Meta',
    '`meta_<code>` for a message or a call Meta refuses. Retry says what the server does: `retry` tries again by itself, `ambiguous` ' +
      'leaves the message `unknown`, the others end it as `failed`. `meta_unreachable` and `send_failed` stand for no answer at all.',
    table(['Meta', 'Category', 'Retry', 'What happened', 'What to do'], metaRows()),
  ]
}

async function thrownErrors(): Promise<ErrorLine[]> {
  const lines: ErrorLine[] = []
  const names = await readdir(join(ROOT, 'server'), { recursive: true })
  for (const name of names.filter((one) => one.endsWith('.ts')).sort()) {
    const path = `server/${name}`
    const source = await readFile(join(ROOT, path), 'utf8')
    const read = [...source.matchAll(THROWN)].map(([, message = '', name = '', category = '']) => ({
      code: name,
      category,
      says: sayingOf(message),
    }))
    if (read.length !== source.split('new ToolError(').length - 1 && !COMPUTED.has(path))
      throw new Error(`${path}: an error is made in a way the reference cannot read`)
    lines.push(...read)
  }
  return lines
}

/** A text of the source, `…` for what is put in; nothing for one that comes from elsewhere. */
function sayingOf(expression: string): string {
  const text = /^(['"`])([\s\S]*)\1,?\s*$/.exec(expression.trim())?.[2] ?? ''
  return text.replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…').replaceAll("\\'", "'")
}

function budgetErrors(): ErrorLine[] {
  return Object.values(BUDGET_ERRORS).map(({ code: name, what }) => ({
    code: name,
    category: 'limit',
    says: `The … ${what} are used up.`,
  }))
}

function metaRows(): string[][] {
  return META_CODES.map((number) => {
    const { category, reason, remedy } = explainMetaError(number)
    const { retryClass } = refusal({ code: number }, 400)
    return [String(number), code(category), code(retryClass), reason, remedy]
  })
}
