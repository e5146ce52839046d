import type { Audit } from '../audit/audit.ts'
import type { Logger } from '../log.ts'
import type { Tool } from '../mcp/tool.ts'
import { toolCalls } from '../metrics/metrics.ts'
import type { Access } from './access.ts'
import type { Call } from './dispatch.ts'
import type { CallOutcome } from './outcome.ts'

/** What became known of a call on its way. */
export interface Trail {
  argumentHash?: string
  access?: Access
  structured?: Readonly<Record<string, unknown>>
  /** What `confirm` threw to end the call; it is for the transport. */
  interruption?: unknown
}

/**
 * Counts a call and writes it to the audit.
 *
 * @param started by `performance.now()`
 * @returns whether it is on disk.
 */
export async function recordCall(
  { audit, log }: { readonly audit: Audit; readonly log: Logger },
  call: Call,
  tool: Tool | undefined,
  trail: Trail,
  outcome: CallOutcome,
  started: number,
): Promise<boolean> {
  // A name we do not know is the caller's text, and has no place in labels and logs.
  toolCalls.inc({ tool: tool?.name ?? 'unknown', outcome: outcome.outcome })
  const { requestId, transport, identity, ip } = call
  const grants = trail.access?.grants ?? []
  const { message_id, wamid } = trail.structured ?? {}
  const detail = Object.entries({ args_sha256: trail.argumentHash, message_id, wamid })
  try {
    await audit.record({
      ...{ action: 'tool.call', transport, requestId, ip, ...outcome },
      clientId: identity.clientId,
      keyId: identity.keyId,
      tool: tool?.name,
      phoneNumberId: grants.length === 1 ? grants[0]?.number.waId : undefined,
      durationMs: Math.round(performance.now() - started),
      detail: Object.fromEntries(detail.filter(([, value]) => typeof value === 'string')),
    })
    return true
  } catch (err) {
    log.error({ rid: requestId, tool: tool?.name, err }, 'call_not_audited')
    return false
  }
}
