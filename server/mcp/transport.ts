import { randomUUID } from 'node:crypto'
import type { Transport, TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js'
import type {
  JSONRPCMessage,
  JSONRPCRequest,
  JSONRPCResponse,
  RequestId,
} from '@modelcontextprotocol/sdk/types.js'

/** Where one request came from and where everything that belongs to it goes. */
export interface Channel {
  /** Whoever may answer a question on it or cancel it: a session; `undefined` for nobody. */
  readonly session: string | undefined
  /** Sends a message ahead of the answer. */
  write(message: JSONRPCMessage): void
}

interface Pending {
  readonly id: RequestId
  readonly channel: Channel
  readonly resolve: (response: JSONRPCResponse | undefined) => void
}

/**
 * Lets one long-lived SDK server answer many independent HTTP requests. Each gets an id of ours on the way in and its own
 * back on the way out; otherwise two clients that both count from 1 would get each other's answers. Questions to a client
 * get an id nobody can guess, and only its own session can answer them.
 */
export class RequestTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: NonNullable<Transport['onmessage']>
  #lastId = 0
  readonly #pending = new Map<RequestId, Pending>()
  readonly #questions = new Map<RequestId, { readonly id: RequestId; readonly session: string | undefined }>()

  async start(): Promise<void> {}

  async close(): Promise<void> {
    this.onclose?.()
  }

  /** Called by the SDK with each answer, and with what belongs to a request that is not answered yet. */
  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (!('method' in message)) {
      const pending = message.id === undefined ? undefined : this.#pending.get(message.id)
      if (message.id === undefined || pending === undefined) return
      this.#pending.delete(message.id)
      pending.resolve({ ...message, id: pending.id })
      return
    }
    if (message.method === 'notifications/cancelled')
      return this.#withdraw(message.params?.requestId, options)
    const related = options?.relatedRequestId
    const channel = related === undefined ? undefined : this.#pending.get(related)?.channel
    // Whoever asked has gone meanwhile.
    if (channel === undefined) return
    if (!('id' in message)) return channel.write(message)
    const id = randomUUID()
    this.#questions.set(id, { id: message.id, session: channel.session })
    channel.write({ ...message, id })
  }

  /**
   * @param gone Called with a function that gives the request up; to be run when nobody waits for the answer any more.
   * @returns The answer, under the request's own id; `undefined` once the request was given up, which gets none.
   */
  request(
    request: JSONRPCRequest,
    extra: Readonly<Record<string, unknown>>,
    channel: Channel,
    gone: (abandon: () => void) => void,
  ): Promise<JSONRPCResponse | undefined> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve) => {
      this.#pending.set(id, { id: request.id, channel, resolve })
      gone(() => this.#abandon(id))
      this.onmessage?.({ ...request, id }, { authInfo: { token: '', clientId: '', scopes: [], extra } })
    })
  }

  /** A client's answer to a question of ours; ignored unless its own session was asked. */
  answer(response: JSONRPCResponse, session: string): void {
    const id = response.id
    const question = id === undefined ? undefined : this.#questions.get(id)
    if (id === undefined || question === undefined || question.session !== session) return
    this.#questions.delete(id)
    this.onmessage?.({ ...response, id: question.id })
  }

  /** `notifications/cancelled` of the handshake era: `requestId` is the client's own number, unique within its session. */
  cancel(requestId: unknown, session: string): void {
    for (const [id, { id: own, channel }] of this.#pending)
      if (own === requestId && channel.session === session) this.#abandon(id)
  }

  /** A question was not answered in time. */
  #withdraw(requestId: unknown, options?: TransportSendOptions): void {
    for (const [id, question] of this.#questions) {
      if (question.id !== requestId) continue
      this.#questions.delete(id)
      const channel = this.#pending.get(options?.relatedRequestId ?? '')?.channel
      channel?.write({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } })
      return
    }
  }

  #abandon(id: RequestId): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    this.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } })
    pending.resolve(undefined)
  }
}
