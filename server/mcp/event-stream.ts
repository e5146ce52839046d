import type { ServerResponse } from 'node:http'

/** What a client that does not read may pile up before it is given up. */
const MOST_BUFFERED = 256 * 1024

/** Server-sent events, one JSON-RPC message each. Source: MCP, Streamable HTTP; WHATWG HTML, server-sent events. */
export class EventStream {
  readonly #res: ServerResponse

  constructor(res: ServerResponse) {
    this.#res = res
    if (!res.headersSent && !res.destroyed) {
      res.writeHead(200, {
        'content-type': 'text/event-stream',
        // A proxy that collects or compresses would hold events back.
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      })
      res.flushHeaders()
    }
    res.on('error', () => res.destroy())
  }

  get isOpen(): boolean {
    return !this.#res.destroyed && !this.#res.writableEnded
  }

  /** Calls `listener` once, when the stream is over for whatever reason. */
  onClose(listener: () => void): void {
    if (this.isOpen) this.#res.once('close', listener)
    else queueMicrotask(listener)
  }

  send(message: unknown): void {
    this.#write(`event: message\ndata: ${JSON.stringify(message)}\n\n`)
  }

  /** A comment: keeps proxies from closing the connection, and finds out that it is gone. */
  beat(): void {
    this.#write(': \n\n')
  }

  /** Ends the stream; the client may come back. */
  end(): void {
    if (this.isOpen) this.#res.end()
  }

  #write(text: string): void {
    if (!this.isOpen) return
    if (this.#res.writableLength > MOST_BUFFERED) this.#res.destroy()
    else this.#res.write(text)
  }
}
