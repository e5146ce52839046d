import type { Grant, Grants } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import { coversNumber, coversTool } from '../auth/scopes.ts'
import type { Database } from '../db/pool.ts'
import { ClientScope } from '../db/scoped.ts'
import type { Tool } from '../mcp/tool.ts'
import { ToolError } from '../mcp/tool-error.ts'

/** What a call may touch. */
export interface Access {
  readonly grants: readonly Grant[]
  readonly db: ClientScope
}

export interface Gate {
  readonly sql: Database
  readonly grants: Grants
  readonly defaultPhoneNumberId: string | undefined
}

type Input = Readonly<Record<string, unknown>>

/**
 * Decides which numbers a call works on, and makes the handle that sees these and no others. A number of somebody else is
 * answered exactly like one that does not exist.
 *
 * @throws ToolError `scope_denied`, `grant_denied`, `number_not_found`, `no_number` or `number_required`
 */
export async function authorise(gate: Gate, tool: Tool, input: Input, identity: Identity): Promise<Access> {
  if (tool.subject === 'none') return accessTo(gate, identity, [])
  if (!coversTool(identity.scopes, tool.name)) throw scopeDenied(tool.name)
  const all = await gate.grants.of(identity.clientId, identity.isOwner)
  const covered = all.filter(({ number }) => coversNumber(identity.scopes, number.waId))
  const allowing = covered.filter((grant) => allows(grant, tool))
  const named = input.phone_number_id
  if (typeof named === 'string') {
    const grant = allowing.find(({ number }) => number.waId === named)
    if (grant) return accessTo(gate, identity, [grant])
    throw covered.some(({ number }) => number.waId === named) ? grantDenied(tool) : numberNotFound()
  }
  if (allowing.length === 0) throw covered.length > 0 ? grantDenied(tool) : noNumber()
  const grants = tool.subject === 'number' ? [await choose(gate, tool, input, identity, allowing)] : allowing
  return accessTo(gate, identity, grants)
}

function accessTo({ sql }: Gate, { clientId }: Identity, grants: readonly Grant[]): Access {
  const numberIds = grants.map(({ number }) => number.id)
  return { grants, db: new ClientScope(sql, { clientId, numberIds }) }
}

/** A tool without a verb only needs some grant on the number. */
function allows({ verbs, allowedTools }: Grant, { verb, name }: Tool): boolean {
  if (verb === null) return true
  return verbs.includes(verb) && (allowedTools === null || allowedTools.includes(name))
}

async function choose(
  gate: Gate,
  tool: Tool,
  input: Input,
  identity: Identity,
  grants: readonly Grant[],
): Promise<Grant> {
  const located = await tool.locate?.(input, accessTo(gate, identity, grants).db)
  if (located !== undefined) {
    const grant = grants.find(({ number }) => number.id === located)
    if (grant) return grant
  }
  const preferred = grants.find(({ number }) => number.waId === gate.defaultPhoneNumberId)
  const [only, ...others] = grants
  const grant = preferred ?? (others.length === 0 ? only : undefined)
  if (grant) return grant
  throw numberRequired(grants)
}

const ASK_OPERATOR = 'Ask the operator for it, or use another tool.'

function scopeDenied(tool: string): ToolError {
  return new ToolError('This key is not meant for this tool.', {
    code: 'scope_denied',
    category: 'permission',
    hint: ASK_OPERATOR,
    data: { needs: `tools:${tool}` },
  })
}

function grantDenied({ verb }: Tool): ToolError {
  return new ToolError('This client may not do that with this number.', {
    code: 'grant_denied',
    category: 'permission',
    hint: 'See list_numbers for what it may do; ask the operator for more.',
    data: { needs: verb },
  })
}

function numberNotFound(): ToolError {
  return new ToolError('There is no such number.', {
    code: 'number_not_found',
    category: 'not_found',
    hint: 'Take phone_number_id from list_numbers.',
  })
}

function noNumber(): ToolError {
  return new ToolError('This key may use no number.', {
    code: 'no_number',
    category: 'permission',
    hint: ASK_OPERATOR,
  })
}

function numberRequired(grants: readonly Grant[]): ToolError {
  return new ToolError('There are several numbers: say which one.', {
    code: 'number_required',
    category: 'invalid_input',
    hint: 'Call again with the phone_number_id of one of these.',
    data: {
      numbers: grants.map(({ number }) => ({ phone_number_id: number.waId, label: number.label })),
    },
  })
}
