import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

const TIMEOUT_MS = 15_000
/** How long a limit is waited for, in all. */
const PATIENCE_MS = 30_000

/**
 * A `fetch` that connects to a given address whatever DNS says, and still checks the certificate for the URL's name.
 * During a move the public name leads to the old host, which would answer every question correctly.
 * @param address IPv4 address to connect to; absent: ask DNS as usual.
 */
export function fetchFrom(address?: string): typeof fetch {
  const lookup: LookupFunction | undefined =
    address === undefined
      ? undefined
      : (_name, options, done) =>
          options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)
  return async (input, init) => {
    const request = new Request(input, init)
    const url = new URL(request.url)
    const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer())
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = send(
        url,
        {
          method: request.method,
          headers: Object.fromEntries(request.headers),
          timeout: TIMEOUT_MS,
          agent: false,
          signal: init?.signal ?? undefined,
          ...(lookup === undefined ? {} : { lookup }),
        },
        resolve,
      )
      outgoing.on('timeout', () =>
        outgoing.destroy(new Error(`${url.host} did not answer within ${TIMEOUT_MS / 1000} s`)),
      )
      outgoing.on('error', reject)
      outgoing.end(body)
    })
    const headers = new Headers()
    for (let i = 0; i < message.rawHeaders.length; i += 2) {
      headers.append(message.rawHeaders[i] ?? '', message.rawHeaders[i + 1] ?? '')
    }
    const status = message.statusCode ?? 500
    const empty = status === 204 || status === 304 || request.method === 'HEAD'
    if (empty) message.resume()
    return new Response(empty ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>), {
      status,
      headers,
    })
  }
}

/**
 * A `fetch` that takes 429 for what it says: the same request once more, when the answer says to (RFC 9110 §10.2.3). An answer
 * that asks for more than half a minute is given as it is.
 */
export function patient(ask: typeof fetch): typeof fetch {
  return async (input, init) => {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const response = await ask(input, init)
      const said = Number.parseInt(response.headers.get('retry-after') ?? '', 10)
      const pause = (said > 0 ? said : 1) * 1000
      if (response.status !== 429 || Date.now() + pause > end) return response
      await response.body?.cancel()
      await sleep(pause)
    }
  }
}
