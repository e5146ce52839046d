import type { AuditEntry } from '../audit/audit.ts'
import type { ErrorCategory, ToolError } from '../mcp/tool-error.ts'

/** Not the caller's doing. */
const FAILURES = new Set<ErrorCategory>(['temporary', 'account', 'unknown_outcome'])
const META_CODE = /^meta_(\d+)$/

export type CallOutcome = Pick<AuditEntry, 'outcome' | 'errorClass' | 'errorCode'>

/** How the audit calls the end of a call: done, refused for a reason of the caller's, or failed for one of ours or Meta's. */
export function outcomeOf(error: ToolError | undefined): CallOutcome {
  if (error === undefined) return { outcome: 'ok' }
  const errorCode = META_CODE.exec(error.code)?.[1]
  const failed = errorCode !== undefined || FAILURES.has(error.category)
  return { outcome: failed ? 'failed' : 'refused', errorClass: error.code, errorCode }
}
