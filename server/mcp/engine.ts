import type { JSONRPCRequest, JSONRPCResponse } from '@modelcontextprotocol/sdk/types.js'
import type { Logger } from '../log.ts'
import type { Caller, RequestContext } from './context.ts'
import { CODES } from './message.ts'
import { createSdkServer, type Extra, type Outcome } from './sdk-server.ts'
import type { Surface } from './surface.ts'
import { type Channel, RequestTransport } from './transport.ts'

/** What the HTTP front knows about a request beside its body. */
export interface Request {
  readonly message: JSONRPCRequest
  readonly caller: Caller
  readonly channel: Channel
  readonly clientCapabilities: RequestContext['clientCapabilities']
  readonly retry: RequestContext['retry']
  readonly subscriptions: RequestContext['subscriptions']
  /** Called with a function that gives the request up. */
  readonly gone: (abandon: () => void) => void
}

interface Travelling {
  readonly request: Request
  readonly outcome: Outcome
}

/** The one SDK server behind all HTTP requests, of every client and both protocol eras. */
export class Engine {
  readonly #transport = new RequestTransport()
  readonly #ready: Promise<void>

  constructor(surface: Surface, log: Logger) {
    const server = createSdkServer({
      surface,
      log,
      contextOf,
      outcomeOf: (extra) => travelling(extra).outcome,
    })
    this.#ready = server.connect(this.#transport)
  }

  /** Answers one request; see {@link RequestTransport.request}. */
  async answer(request: Request): Promise<JSONRPCResponse | undefined> {
    await this.#ready
    const { message, channel, gone } = request
    const outcome: Outcome = {}
    const response = await this.#transport.request(message, { request, outcome }, channel, gone)
    if (response === undefined) return undefined
    if ('result' in response) return outcome.early ? { ...response, result: outcome.early } : response
    if (outcome.failed || response.error.code !== CODES.internalError) return response
    // Our handlers did not run, so this is the SDK rejecting the shape of the params, in the words of its parser.
    return { ...response, error: { code: CODES.invalidParams, message: 'Invalid params' } }
  }

  /** A client's answer to a question. */
  accept(response: JSONRPCResponse, session: string): void {
    this.#transport.answer(response, session)
  }

  /** Gives up the request a session gave this id. */
  cancel(requestId: unknown, session: string): void {
    this.#transport.cancel(requestId, session)
  }
}

function travelling(extra: Extra): Travelling {
  return extra.authInfo?.extra as unknown as Travelling
}

function contextOf(
  extra: Extra,
): Omit<RequestContext, 'signal' | 'progressToken' | 'notify' | 'ask'> & { canAsk: boolean } {
  const { caller, channel, ...rest } = travelling(extra).request
  const { clientCapabilities, retry, subscriptions } = rest
  const canAsk = channel.session !== undefined && clientCapabilities.elicitation !== undefined
  return { ...caller, clientCapabilities, retry, subscriptions, canAsk }
}
