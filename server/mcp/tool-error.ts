/** What a caller can do about it. */
export type ErrorCategory =
  | 'invalid_input'
  | 'not_found'
  | 'permission'
  | 'limit'
  | 'window'
  | 'recipient'
  | 'template'
  | 'media'
  | 'account'
  | 'conflict'
  | 'temporary'
  | 'unknown_outcome'

/**
 * A tool that could not do what was asked, in a form a model can act on. It becomes a result with `isError`; the message is
 * written for the model and holds nothing that is not the caller's.
 */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  /** Short and stable, for programs: `window_closed`, `daily_limit_reached`, `meta_131026` … */
  readonly code: string
  readonly category: ErrorCategory
  /** Whether the same call can succeed later. */
  readonly retryable: boolean
  readonly retryAfterS: number | null
  /** The next step. */
  readonly hint: string
  /** Facts for the next step, such as templates that would fit. */
  readonly data: Readonly<Record<string, unknown>>

  constructor(
    message: string,
    o: {
      code: string
      category: ErrorCategory
      hint: string
      retryable?: boolean
      retryAfterS?: number | null
      data?: Readonly<Record<string, unknown>>
    },
  ) {
    super(message)
    this.code = o.code
    this.category = o.category
    this.retryable = o.retryable ?? false
    this.retryAfterS = o.retryAfterS ?? null
    this.hint = o.hint
    this.data = o.data ?? {}
  }
}
