import * as z from 'zod'
import type { Tool } from '../mcp/tool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { invalidInput } from './errors.ts'

export const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i
/** Offsets as far as Postgres takes them. */
const MOMENT = /^(19[7-9]|[2-9]\d\d)\d-.*(Z|[+-](0\d|1[0-5]):[0-5]\d)$/
const NOT_A_MOMENT =
  'must be a time since 1970 with Z or an offset, such as 2026-01-31T09:30:00Z, not a message id'

/** Meta's id of a number. */
export const phoneNumberId = z
  .string()
  .regex(/^\d{5,32}$/, { error: "must be Meta's id of the number: 5 to 32 digits" })
  .describe("Meta's id of the number, from list_numbers; may be left out where only one is possible")

/** Any of our ids. */
export const uuid = z.string().regex(UUID, { error: 'must be an id as our tools show it: a UUID' })

/** ISO 8601 with an offset; kept as text, because a `Date` would lose the microseconds. */
export const moment = z.iso
  .datetime({ offset: true, abort: true, error: NOT_A_MOMENT })
  .regex(MOMENT, { error: NOT_A_MOMENT })

export const limit = z.int().min(1).max(100).default(20).describe('Items per page, 1 to 100')
export const cursor = z
  .string()
  .max(500)
  .optional()
  .describe('next_cursor of the page before; keep the other arguments')
export const detail = z
  .enum(['concise', 'full'])
  .default('concise')
  .describe('concise shortens long texts, full does not')
export const direction = z.enum(['inbound', 'outbound', 'all']).default('all')
export const timeoutS = z.int().min(0).max(25)

/** What a tool is given, if it is what its schema says and the database can hold it. @throws ToolError `invalid_input` */
export function parseInput(tool: Tool, args: unknown): Record<string, unknown> {
  const parsed = tool.input.safeParse(args ?? {})
  if (!parsed.success) throw invalidInput(parsed.error)
  if (!holdsUnstorable(parsed.data)) return parsed.data
  throw new ToolError('A text holds the character U+0000, or half of one.', {
    code: 'invalid_input',
    category: 'invalid_input',
    hint: 'Take the character out and call again.',
  })
}

/** Postgres stores every character but this one, and no lone half of a surrogate pair. */
function holdsUnstorable(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed()
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, inner]) => holdsUnstorable(name) || holdsUnstorable(inner))
}
