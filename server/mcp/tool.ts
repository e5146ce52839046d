import type * as z from 'zod'
import type { Grant, Verb } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import type { ClientScope } from '../db/scoped.ts'
import type { Logger } from '../log.ts'

/** Everything a tool may know about the call. It has no other way to the database than `db`. */
export interface ToolContext {
  readonly requestId: string
  readonly transport: 'http' | 'stdio'
  readonly ip: string | undefined
  readonly identity: Identity
  /** Grants that allow this tool; for subject `number` exactly one. */
  readonly grants: readonly Grant[]
  /** Sees the numbers of `grants`, nothing else. */
  readonly db: ClientScope
  readonly log: Logger
  /** Aborted when nobody waits for the answer any more, and at the deadline of the call. */
  readonly signal: AbortSignal
  /** Tells a client that asked for it how far the call is. */
  progress(done: number, total: number, message: string): void
  /**
   * Asks the person at the client to confirm. `unavailable`: this client cannot ask. In the stateless era the first call ends
   * here with `input_required` and comes back with the answer.
   */
  confirm(question: string, detail: Readonly<Record<string, unknown>>): Promise<'yes' | 'no' | 'unavailable'>
}

/** What a model can call. Kept free of the SDK, so that a move to another one touches the engine only. */
export interface Tool<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodObject = z.ZodObject> {
  /** Lower snake case. */
  readonly name: string
  readonly title: string
  /** A few sentences, for the model. */
  readonly description: string
  /** A strict object. Tools of subject `number` or `numbers` have an optional `phone_number_id`: Meta's id. */
  readonly input: Input
  readonly output: Output
  /** Verb a grant must have; null: the tool needs a key and nothing else. */
  readonly verb: Verb | null
  /**
   * `none`: touches no number. `numbers`: reads all the caller's numbers, or the one named. `number`: works on one, which is
   * `phone_number_id`, else what `locate` finds, else the default or only one.
   */
  readonly subject: 'none' | 'number' | 'numbers'
  /** For tools whose input names a message, contact or file instead: `phone_numbers.id` of it, as far as `db` sees it. */
  readonly locate?: (input: z.infer<Input>, db: ClientScope) => Promise<string | undefined>
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    readonly openWorldHint: boolean
  }
  run(
    input: z.infer<Input>,
    context: ToolContext,
  ): z.infer<Output> | ToolOutput | Promise<z.infer<Output> | ToolOutput>
}

/** An output with content of its own (an image, a link) beside the structured one. */
export class ToolOutput {
  readonly structured: Readonly<Record<string, unknown>>
  /** MCP content blocks that follow the text form of `structured`. */
  readonly content: readonly Readonly<Record<string, unknown>>[]

  constructor(
    structured: Readonly<Record<string, unknown>>,
    content: readonly Readonly<Record<string, unknown>>[],
  ) {
    this.structured = structured
    this.content = content
  }
}

/** Of a tool that looks into our own database and changes nothing. */
export const readAnnotations: Tool['annotations'] = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
}

/** Keeps the types of one tool together while it joins the list of all. */
export function tool<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: Tool<Input, Output>,
): Tool {
  return definition as unknown as Tool
}
