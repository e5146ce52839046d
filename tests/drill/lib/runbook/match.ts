import { stripVTControlCharacters } from 'node:util'

/** What was shown as expected, or the line that is missing. */
export type Match =
  | { readonly ok: true; readonly captured: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly line: string }

/** Whitespace that tables are drawn with and colours of a terminal are not compared. */
const normalise = (line: string): string => stripVTControlCharacters(line).replace(/\s+/g, ' ').trim()

/**
 * Compares what a page promises with what a command has shown.
 * @param expected lines; `…` stands for any text, or alone on its line for any lines; `<name>` for a known value, or for
 *   one word that is captured under that name
 * @param known values of placeholders
 */
export function match(
  expected: readonly string[],
  shown: string,
  known: Readonly<Record<string, string>>,
): Match {
  const text = shown
    .split('\n')
    .map(normalise)
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('')
  const found = new RegExp(`^${pattern(expected, known)}$`).exec(text)
  if (found) {
    const groups = Object.entries(found.groups ?? {})
    return { ok: true, captured: Object.fromEntries(groups.map(([name, value]) => [dashed(name), value])) }
  }
  const reached = expected.findIndex(
    (_, index) => !new RegExp(`^${pattern(expected.slice(0, index + 1), known)}`).test(text),
  )
  return { ok: false, line: reached < 0 ? '(nothing more)' : (expected[reached] ?? '') }
}

// Names of groups may not hold dashes.
const underscored = (name: string): string => name.replaceAll('-', '_')
const dashed = (name: string): string => name.replaceAll('_', '-')

function pattern(expected: readonly string[], known: Readonly<Record<string, string>>): string {
  const captured = new Set<string>()
  const word = (name: string): string => {
    const value = known[name]
    if (value !== undefined) return RegExp.escape(value)
    if (captured.has(name)) return `\\k<${underscored(name)}>`
    captured.add(name)
    return `(?<${underscored(name)}>\\S+)`
  }
  const lines = expected.map(normalise).filter((line) => line !== '')
  return lines
    .map((line) => {
      if (line === '…') return '(?:[^\\n]*\\n)*?'
      const parts = line.split(/(…|<[a-z][a-z0-9-]*>)/).map((part) => {
        if (part === '…') return '[^\\n]*'
        const name = /^<([a-z][a-z0-9-]*)>$/.exec(part)?.[1]
        return name === undefined ? RegExp.escape(part) : word(name)
      })
      return `${parts.join('')}\\n`
    })
    .join('')
}
