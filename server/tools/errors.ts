import type * as z from 'zod'
import { DatabaseTimeout } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import type { CallResult } from './dispatch.ts'

const MOST_ISSUES = 10

/** A failed call in the form every tool has: a model reads the text, a program the same as data. */
export function toErrorResult(error: ToolError): CallResult {
  const { code, category, message, retryable, retryAfterS, hint, data } = error
  const structured = {
    error: { ...data, code, category, message, retryable, retry_after_s: retryAfterS, hint },
  }
  return {
    isError: true,
    structuredContent: structured,
    content: [{ type: 'text', text: JSON.stringify(structured) }],
  }
}

/** Names each field and what was expected there; never repeats what was given. */
export function invalidInput(error: z.ZodError): ToolError {
  const issues = error.issues.slice(0, MOST_ISSUES).map(({ path, message }) => ({
    field: path.join('.').slice(0, 200) || 'arguments',
    problem: message.slice(0, 500),
  }))
  return new ToolError(issues.map(({ field, problem }) => `${field}: ${problem}`).join('; '), {
    code: 'invalid_input',
    category: 'invalid_input',
    hint: 'Correct these fields as the input schema of the tool says, and call again.',
    data: { issues },
  })
}

/** Whatever a tool threw, as something that may be told. Only a {@link ToolError} was written to be read outside. */
export function toToolError(error: unknown, requestId: string): ToolError {
  if (error instanceof ToolError) return error
  if (isDatabaseAway(error)) return unavailable()
  return new ToolError('Something went wrong inside the server.', {
    code: 'internal_error',
    category: 'temporary',
    hint: 'Try once more; if it stays, give the operator the request id.',
    data: { request_id: requestId },
  })
}

/** The database, or with it the audit log, cannot be reached. */
export function unavailable(): ToolError {
  return new ToolError('The server cannot reach its database at the moment.', {
    code: 'unavailable',
    category: 'temporary',
    retryable: true,
    retryAfterS: 5,
    hint: 'Wait some seconds and call again; give a send the same idempotency_key.',
  })
}

/** Nobody gets an answer later than this. */
export function deadlineExceeded(): ToolError {
  return new ToolError('The call took too long.', {
    code: 'deadline_exceeded',
    category: 'unknown_outcome',
    retryable: true,
    hint: 'Look whether it took effect before repeating it; give a send the same idempotency_key.',
  })
}

/** Codes of the driver, of the socket, and of Postgres' classes 08 and 57P: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const AWAY = /^(CONNECTION_|CONNECT_TIMEOUT$|ECONN|EPIPE$|08|57P|53300$)/

function isDatabaseAway(error: unknown): boolean {
  if (error instanceof DatabaseTimeout) return true
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && AWAY.test(code)
}
