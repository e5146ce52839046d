/** A refusal in the form Graph gives it. */
export class GraphFailure extends Error {
  override readonly name = 'GraphFailure'
  readonly code: number
  readonly details: string

  constructor(code: number, details = 'refused by the fake') {
    super(details)
    this.code = code
    this.details = details
  }

  get status(): number {
    return STATUS.get(this.code) ?? 400
  }

  get body(): unknown {
    return {
      error: {
        message: `(#${this.code}) ${this.details}`,
        type: 'OAuthException',
        code: this.code,
        error_data: { messaging_product: 'whatsapp', details: this.details },
        fbtrace_id: `A${this.code}fake`,
      },
    }
  }
}

/** Throttling codes are absent on purpose: Meta answers them with 400. */
const STATUS = new Map([
  [0, 401],
  [2, 503],
  [3, 500],
  [10, 403],
  [190, 401],
  [200, 403],
  [368, 403],
  [130497, 403],
  [131000, 500],
  [131005, 403],
  [131016, 500],
  [131031, 403],
  [131045, 500],
  [131057, 500],
  [132001, 404],
  [133004, 503],
])

export function refuseUnless(condition: unknown, code: number, details: string): asserts condition {
  if (!condition) throw new GraphFailure(code, details)
}
