import type { CallResult } from '../tools/dispatch.ts'
import type { RequestContext } from './context.ts'

type Json = Readonly<Record<string, unknown>>

/** A text or a picture of a resource, as `resources/read` gives it. */
export interface Contents {
  readonly uri: string
  readonly mimeType: string
  readonly text?: string
  /** Base64. */
  readonly blob?: string
}

/** What there is to offer, in the protocol's shapes; the engine knows nothing of what is behind it. */
export interface Surface {
  readonly capabilities: Json
  /** For the model, once per connection. */
  readonly instructions: string
  listTools(): readonly Json[]
  /** @throws UnknownTool */
  callTool(name: string, args: Json | undefined, context: RequestContext): Promise<CallResult>
  listResources(context: RequestContext): Promise<readonly Json[]>
  listResourceTemplates(): readonly Json[]
  /** @returns `undefined` when the caller can see no such resource. */
  readResource(uri: string, context: RequestContext): Promise<readonly Contents[] | undefined>
  /** Whether the caller may hear of changes of a resource. */
  canWatch(uri: string, context: Pick<RequestContext, 'identity'>): Promise<boolean>
  listPrompts(): readonly Json[]
  /** @throws RpcError -32602 for an unknown prompt or a missing argument. */
  getPrompt(
    name: string,
    args: Readonly<Record<string, string>>,
    context: RequestContext,
  ): Promise<Json & { readonly messages: readonly Json[] }>
  /** Values that could complete an argument of a prompt or a resource template, at most 100. */
  complete(
    reference: Json,
    argument: { name: string; value: string },
    context: RequestContext,
  ): Promise<readonly string[]>
}
