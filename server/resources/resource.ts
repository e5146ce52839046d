/** What a client can read by its address: the answer of a tool, so that scopes, grants, limits and audit stay in one place. */
export interface Resource {
  readonly name: string
  readonly title: string
  readonly description: string
  /** A fixed address, or an RFC 6570 template with one variable. */
  readonly address: { readonly uri: string } | { readonly uriTemplate: string }
  /** Matches its addresses; the first group is the variable. */
  readonly pattern: RegExp
  readonly tool: string
  /** Arguments of the tool for the resource with this variable. */
  readonly args: (variable: string) => Readonly<Record<string, unknown>>
}
