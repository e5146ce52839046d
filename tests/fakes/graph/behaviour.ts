import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { GraphFailure } from './failure.ts'
import type { Json } from './json.ts'

/** What goes wrong with a request. `accept-…` records the message before it goes wrong, as Meta may do. */
export type Behaviour =
  | 'reset-before-body'
  | 'reset-after-body'
  | 'hang'
  | 'accept-then-hang'
  | 'accept-then-reset'
  | 'html-502'
  /** Graph's own refusal with this code. */
  | { readonly error: number; readonly details?: string }
  /** Answers properly, that many milliseconds later. */
  | { readonly slow: number }
  | {
      readonly status: number
      readonly body: string
      readonly headers?: Readonly<Record<string, string>>
    }

/** A request as it arrived. */
export interface GraphRequest {
  readonly method: string
  /** Milliseconds since some fixed moment. */
  readonly at: number
  /** Without the version. */
  readonly path: string
  readonly query: URLSearchParams
  /** Of the `Authorization` header. */
  readonly token: string | undefined
  /** JSON, where it was JSON. */
  readonly body: Json
}

export type Choice = Behaviour | undefined | ((request: GraphRequest) => Behaviour | undefined)

/** What will go wrong, first come first served. */
export class Behaviours {
  #queue: { readonly choice: Choice; left: number }[] = []

  set(choice: Choice, times: number): void {
    if (choice === undefined) this.#queue = []
    else this.#queue.push({ choice, left: times })
  }

  /** Whether the next request is cut before it was read; if so, that counts as its turn. */
  resetsNext(): boolean {
    const first = this.#first()
    if (first?.choice !== 'reset-before-body') return false
    first.left -= 1
    return true
  }

  next(request: GraphRequest): Behaviour | undefined {
    const first = this.#first()
    if (first === undefined) return undefined
    const chosen = typeof first.choice === 'function' ? first.choice(request) : first.choice
    if (chosen !== undefined) first.left -= 1
    return chosen
  }

  #first() {
    return this.#queue.find(({ left }) => left > 0)
  }
}

/** Cuts the connection with a reset, as a dying proxy does. */
export function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}

/**
 * Lets a request go wrong before it is looked at.
 *
 * @returns whether it was dealt with; `false` means: answer it properly.
 */
export async function misbehave(
  behaviour: Behaviour | undefined,
  response: ServerResponse,
): Promise<boolean> {
  if (behaviour === undefined || behaviour === 'accept-then-hang' || behaviour === 'accept-then-reset')
    return false
  if (behaviour === 'hang') return true
  if (behaviour === 'html-502') {
    response.writeHead(502, { 'content-type': 'text/html' }).end('<html><h1>502 Bad Gateway</h1></html>')
    return true
  }
  if (typeof behaviour === 'string') {
    reset(response)
    return true
  }
  if ('error' in behaviour) throw new GraphFailure(behaviour.error, behaviour.details)
  if ('slow' in behaviour) {
    await delay(behaviour.slow)
    return false
  }
  response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body)
  return true
}
