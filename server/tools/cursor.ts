import * as z from 'zod'
import { ToolError } from '../mcp/tool-error.ts'
import { moment, uuid } from './input.ts'

/** Where a page ended, in an order by time and then id. It names a place, not a right: what is read from there is the caller's. */
export interface Place {
  /** With microseconds, so that rows of the same millisecond are neither lost nor repeated. */
  readonly at: string
  readonly id: string
}

const schema = z.strictObject({ at: moment, id: uuid })

/** Opaque to callers; {@link decodeCursor} reads it. */
export function encodeCursor({ at, id }: Place): string {
  return Buffer.from(JSON.stringify({ at, id })).toString('base64url')
}

/** @throws ToolError `invalid_input` for anything {@link encodeCursor} has not made. */
export function decodeCursor(cursor: string): Place {
  const parsed = schema.safeParse(parse(Buffer.from(cursor, 'base64url').toString()))
  if (parsed.success) return parsed.data
  throw new ToolError('cursor: must be next_cursor of an earlier page', {
    code: 'invalid_input',
    category: 'invalid_input',
    hint: 'Call again without cursor to start from the beginning.',
    data: { issues: [{ field: 'cursor', problem: 'must be next_cursor of an earlier page' }] },
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Splits rows read with one more than asked for into a page and the cursor of the next. */
export function toPage<Row>(
  rows: readonly Row[],
  limit: number,
  placeOf: (row: Row) => Place,
): { page: readonly Row[]; next_cursor: string | null } {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { page, next_cursor: rows.length > limit && last ? encodeCursor(placeOf(last)) : null }
}
