import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type {
  JSONRPCMessage,
  JSONRPCRequest,
  JSONRPCResponse,
  RequestId,
} from '@modelcontextprotocol/sdk/types.js'

interface Pending {
  readonly id: RequestId
  readonly resolve: (response: JSONRPCResponse) => void
}

/**
 * Lets one long-lived SDK server answer many independent HTTP requests. Each gets an id of ours on the way in and its own
 * back on the way out; otherwise two clients that both count from 1 would get each other's answers.
 */
export class RequestTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: NonNullable<Transport['onmessage']>
  #lastId = 0
  readonly #pending = new Map<RequestId, Pending>()

  async start(): Promise<void> {}

  async close(): Promise<void> {
    this.onclose?.()
  }

  /** Called by the SDK with each answer. Nothing else can be sent: there is no stream to a client here. */
  async send(message: JSONRPCMessage): Promise<void> {
    if ('method' in message || message.id === undefined)
      throw new Error('only answers can be sent to a stateless client')
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    this.#pending.delete(message.id)
    pending.resolve({ ...message, id: pending.id })
  }

  /**
   * @param gone Called with a function that gives the request up; to be run when nobody waits for the answer any more.
   * @returns The answer, under the request's own id. Never, once the request was given up.
   */
  request(
    request: JSONRPCRequest,
    caller: unknown,
    gone: (abandon: () => void) => void,
  ): Promise<JSONRPCResponse> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve) => {
      this.#pending.set(id, { id: request.id, resolve })
      gone(() => {
        if (!this.#pending.delete(id)) return
        this.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } })
      })
      this.onmessage?.(
        { ...request, id },
        { authInfo: { token: '', clientId: '', scopes: [], extra: { caller } } },
      )
    })
  }
}
