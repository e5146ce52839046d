import type { Audit } from '../audit/audit.ts'
import type { Grants } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { type Tool, type ToolContext, ToolOutput } from '../mcp/tool.ts'
import type { ToolError } from '../mcp/tool-error.ts'
import { authorise, type Gate } from './access.ts'
import { argumentHash } from './argument-hash.ts'
import { deadlineExceeded, toErrorResult, toToolError, unavailable } from './errors.ts'
import { parseInput } from './input.ts'
import { outcomeOf } from './outcome.ts'
import { recordCall, type Trail } from './record-call.ts'

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

/** Longer than any tool waits (25 s), shorter than a proxy does. */
const DEADLINE_MS = 35_000

interface Options extends Gate {
  readonly audit: Audit
  readonly log: Logger
}

/**
 * What stands between every transport and the tools: schema, scope, grant, deadline, audit.
 * @param o.defaultPhoneNumberId Meta's id of the number for calls that name none
 */
export function createDispatcher(o: {
  sql: Database
  tools: readonly Tool[]
  grants: Grants
  audit: Audit
  defaultPhoneNumberId: string | undefined
  log: Logger
}): Dispatcher {
  const byName = new Map(o.tools.map((tool) => [tool.name, tool]))
  return {
    tools: o.tools,
    call: async (call) => {
      const started = performance.now()
      const tool = byName.get(call.name)
      const trail: Trail = {}
      let error: ToolError | undefined
      let result: CallResult | undefined
      try {
        if (tool === undefined) throw new UnknownTool(call.name)
        result = await run(o, tool, call, trail)
      } catch (thrown) {
        if (thrown instanceof UnknownTool || isInterruption(trail, thrown)) {
          const code = thrown instanceof UnknownTool ? 'unknown_tool' : 'input_required'
          await recordCall(o, call, tool, trail, { outcome: 'refused', errorClass: code }, started)
          throw thrown
        }
        error = toToolError(thrown, call.requestId)
        if (error !== thrown)
          o.log.error({ rid: call.requestId, tool: call.name, err: thrown }, 'tool_failed')
        result = toErrorResult(error)
      }
      const written = await recordCall(o, call, tool, trail, outcomeOf(error), started)
      // Nobody reads unseen. What was sent or changed is in its own row already, and to deny it would invite a second try.
      if (!written && tool?.annotations.readOnlyHint) return toErrorResult(unavailable())
      return result
    },
  }
}

async function run(o: Options, tool: Tool, call: Call, trail: Trail): Promise<CallResult> {
  const input = parseInput(tool, call.args)
  trail.argumentHash = argumentHash(input)
  const access = await authorise(o, tool, input, call.identity)
  trail.access = access
  const output = await withDeadline(call.signal, (signal) => {
    const confirm: ToolContext['confirm'] = (...question) =>
      call.confirm(...question).catch((thrown: unknown) => {
        trail.interruption = thrown
        throw thrown
      })
    const { requestId, transport, ip, identity } = call
    const progress: ToolContext['progress'] = (...step) => call.progress(...step)
    return tool.run(input, {
      ...{ requestId, transport, ip, identity, progress, confirm, signal, log: o.log },
      ...access,
    })
  })
  const [raw, extra] = output instanceof ToolOutput ? [output.structured, output.content] : [output, []]
  // What the schema does not name stays inside.
  const structured = tool.output.parse(raw)
  trail.structured = structured
  return {
    structuredContent: structured,
    content: [{ type: 'text', text: JSON.stringify(structured) }, ...extra],
  }
}

async function withDeadline<T>(
  abandoned: AbortSignal,
  work: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const abandon = () => controller.abort(abandoned.reason)
  if (abandoned.aborted) abandon()
  abandoned.addEventListener('abort', abandon, { once: true })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = deadlineExceeded()
      reject(error)
      controller.abort(error)
    }, DEADLINE_MS)
  })
  try {
    return await Promise.race([work(controller.signal), late])
  } finally {
    clearTimeout(timer)
    abandoned.removeEventListener('abort', abandon)
  }
}

function isInterruption(trail: Trail, thrown: unknown): boolean {
  return trail.interruption !== undefined && trail.interruption === thrown
}
