import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { sendJsonText } from '../http/reply.ts'
import { EventStream } from './event-stream.ts'
import { toJson } from './json.ts'
import type { Channel } from './transport.ts'

const HEARTBEAT_MS = 15_000

/** The answer to one POST: plain JSON, unless something has to be sent ahead of it; then a stream that ends with it. */
export class HttpReply implements Channel {
  readonly session: string | undefined
  readonly #res: ServerResponse
  readonly #acceptsStream: boolean
  #stream: EventStream | undefined

  constructor(req: IncomingMessage, res: ServerResponse, session?: string) {
    this.#res = res
    this.session = session
    this.#acceptsStream = acceptsStream(req)
  }

  write(message: JSONRPCMessage): void {
    // Progress is a courtesy; a question nobody can read ends by its time limit.
    if (!this.#acceptsStream) return
    this.#stream ??= this.#upgrade()
    this.#stream.send(message)
  }

  finish(status: number, response: unknown, headers?: OutgoingHttpHeaders): void {
    if (this.#stream === undefined) sendJsonText(this.#res, status, toJson(response), headers)
    else {
      this.#stream.send(response)
      this.#stream.end()
    }
  }

  /** @param body JSON, encoded already. */
  finishEncoded(body: Buffer): void {
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      'cache-control': 'no-store',
    }
    if (!this.#res.destroyed) this.#res.writeHead(200, headers).end(body)
  }

  /** Ends without an answer: the client has cancelled its request and wants none. */
  abandon(): void {
    if (this.#stream) this.#stream.end()
    else if (!this.#res.destroyed) this.#res.writeHead(202).end()
  }

  #upgrade(): EventStream {
    const stream = new EventStream(this.#res)
    const heart = setInterval(() => stream.beat(), HEARTBEAT_MS)
    stream.onClose(() => clearInterval(heart))
    return stream
  }
}

/** Whether the caller takes server-sent events. */
export function acceptsStream({ headers }: IncomingMessage): boolean {
  return /\btext\/event-stream\b/i.test(headers.accept ?? '')
}
