import type { Identity } from '../auth/identity.ts'

/** What the transport knows about the one who calls. */
export interface Caller {
  readonly identity: Identity
  readonly requestId: string
  /** `undefined` on stdio. */
  readonly ip: string | undefined
  readonly transport: 'http' | 'stdio'
}

/** The resources somebody wants to hear about. */
export interface Subscriptions {
  add(uri: string): Promise<void>
  remove(uri: string): Promise<void>
}

/** What a client of the stateless era brings along when it calls again with the answers it was asked for. */
export interface Retry {
  readonly inputResponses: Readonly<Record<string, unknown>>
  readonly requestState: string | undefined
}

/** What a handler of the protocol knows about one request, in both eras. */
export interface RequestContext extends Caller {
  readonly signal: AbortSignal
  /** By which the client wants to hear how far the request is. */
  readonly progressToken: string | number | undefined
  /** What the client says it can do; empty where it was never asked. */
  readonly clientCapabilities: Readonly<Record<string, unknown>>
  /** Sends a notification along with the answer. Lost where the client reads no stream. */
  notify(method: string, params: Readonly<Record<string, unknown>>): void
  /** Handshake era: asks the client over the stream of this answer. Absent where it cannot be asked. */
  readonly ask: Ask | undefined
  /** Stateless era: present on every request of it. */
  readonly retry: Retry | undefined
  /** Handshake era: absent without a session. */
  readonly subscriptions: Subscriptions | undefined
}

/** @throws when the client answers with an error, or not within `timeoutMs`. */
export type Ask = (
  method: 'elicitation/create',
  params: Readonly<Record<string, unknown>>,
  timeoutMs: number,
) => Promise<Readonly<Record<string, unknown>>>

/**
 * Ends a request of the stateless era with questions; the client answers them by calling again.
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
export class InputRequired extends Error {
  override readonly name = 'InputRequired'
  readonly result: Readonly<Record<string, unknown>>

  constructor(o: {
    inputRequests?: Readonly<Record<string, unknown>>
    requestState?: string
  }) {
    super('the client is asked for input')
    this.result = { ...o, resultType: 'input_required' }
  }
}
