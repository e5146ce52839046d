/** What a key is for, within what its client may do: `*`, `tools:<name>`, `numbers:<Meta's id>`. */
type Scopes = readonly string[]

const NUMBERS = 'numbers:'

/** Whether the key covers the tool. */
export function coversTool(scopes: Scopes, tool: string): boolean {
  return scopes.includes('*') || scopes.includes(`tools:${tool}`)
}

/** Whether the key covers the number: any number, unless it names some; naming narrows `*` as well. */
export function coversNumber(scopes: Scopes, waId: string): boolean {
  return scopes.includes(NUMBERS + waId) || !scopes.some((scope) => scope.startsWith(NUMBERS))
}
