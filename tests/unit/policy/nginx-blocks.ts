/** One directive of an nginx configuration, with the names of the blocks it stands in, outermost first. */
export interface Directive {
  readonly name: string
  readonly value: string
  readonly within: readonly string[]
  /** Of the innermost block, since several may have the same name. */
  readonly block: number
}

/** Reads nginx's syntax as far as our file uses it: quotes, comments, blocks. */
export function parseNginx(text: string): readonly Directive[] {
  const tokens =
    text.match(/#.*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:\{\{|\}\}|\$\{|[^\s;{}"'])+|[;{}]/g) ?? []
  const found: Directive[] = []
  const within: { name: string; block: number }[] = []
  let blocks = 0
  let words: string[] = []
  const take = (): string => words.splice(0).join(' ')
  for (const token of tokens) {
    if (token.startsWith('#')) continue
    if (token === '{') within.push({ name: take(), block: ++blocks })
    else if (token === '}') within.pop()
    else if (token === ';') {
      const [name = '', ...rest] = words
      words = []
      found.push({
        name,
        value: rest.join(' '),
        within: within.map((outer) => outer.name),
        block: within.at(-1)?.block ?? 0,
      })
    } else words.push(token)
  }
  return found
}
