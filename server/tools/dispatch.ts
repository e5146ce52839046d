import type { Audit } from '../audit/audit.ts'
import type { Grants } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import type { Database } from '../db/pool.ts'
import { ClientScope } from '../db/scoped.ts'
import type { Logger } from '../log.ts'
import type { Tool, ToolContext } from '../mcp/tool.ts'

/** One call, as the transport hands it over. */
export interface Call {
  readonly name: string
  readonly args: unknown
  readonly identity: Identity
  readonly transport: ToolContext['transport']
  readonly requestId: string
  readonly ip: string | undefined
  readonly signal: AbortSignal
  readonly progress: ToolContext['progress']
  readonly confirm: ToolContext['confirm']
}

/** MCP's CallToolResult, without the SDK. */
export interface CallResult {
  readonly isError?: true
  readonly structuredContent?: Readonly<Record<string, unknown>>
  readonly content: readonly Readonly<Record<string, unknown>>[]
}

/** The caller named a tool that does not exist: a protocol error (-32602), not a result. */
export class UnknownTool extends Error {
  override readonly name = 'UnknownTool'
}

/** The one place where scopes, grants, limits and the audit are. */
export interface Dispatcher {
  readonly tools: readonly Tool[]
  /** Never throws but {@link UnknownTool} and what `confirm` throws to end the call early. */
  call(call: Call): Promise<CallResult>
}

export function createDispatcher(o: {
  sql: Database
  tools: readonly Tool[]
  grants: Grants
  audit: Audit
  defaultPhoneNumberId: string | undefined
  log: Logger
}): Dispatcher {
  return {
    tools: o.tools,
    call: async (call) => {
      const found = o.tools.find(({ name }) => name === call.name)
      if (found === undefined) throw new UnknownTool(call.name)
      const parsed = found.input.safeParse(call.args ?? {})
      if (!parsed.success) return { isError: true, content: [{ type: 'text', text: 'Invalid arguments' }] }
      const db = new ClientScope(o.sql, { clientId: call.identity.clientId, numberIds: [] })
      const output = await found.run(parsed.data, { ...call, grants: [], db, log: o.log })
      return {
        structuredContent: output as Record<string, unknown>,
        content: [{ type: 'text', text: JSON.stringify(output) }],
      }
    },
  }
}
