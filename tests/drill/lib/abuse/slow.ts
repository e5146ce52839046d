import { DOMAIN } from '../network.ts'
import type { Row } from './row.ts'
import { newId, request } from './stranger.ts'

/** Longer than any limit of nginx that is meant here; who is still connected then was never hung up on. */
const seconds = 75
const trickle = (text: string) => ({ text, times: 200, pauseMs: 400 })
const bodyId = newId('slow')
const headId = newId('slow')

/** Each must end by the server's own doing. They wait side by side, and for the longest limit, not for each. */
export const SLOW: readonly Row[] = [
  { name: 'slow: a connection that says nothing', tls: false, say: [], answers: ['', '408'], seconds },
  { name: 'slow: a TLS connection that says nothing', say: [], answers: ['', '408'], seconds },
  {
    name: 'slow: a handshake that stops in its middle',
    tls: false,
    port: 443,
    say: ['\x16\x03\x01\x02\x00\x01'],
    answers: [''],
    seconds,
  },
  {
    name: 'slow: headers that come one by one, without an end',
    say: [
      `GET /webhook/meta HTTP/1.1\r\nHost: ${DOMAIN}\r\nX-Request-Id: ${headId}\r\n`,
      trickle('X-More: a\r\n'),
    ],
    answers: ['', '408'],
    never: [headId],
    seconds,
  },
  {
    name: 'slow: a request line that comes letter by letter',
    say: ['GET /', trickle('a')],
    answers: ['', '408'],
    seconds,
  },
  {
    name: 'slow: a body that stops in its middle',
    say: [request('POST /webhook/meta', { id: bodyId, headers: ['Content-Length: 1000'], body: 'abc' })],
    answers: ['', '408'],
    never: [bodyId],
    seconds,
  },
  {
    name: 'slow: a connection kept after its answer',
    say: [`GET /webhook/meta HTTP/1.1\r\nHost: ${DOMAIN}\r\n\r\n`],
    answers: ['404'],
    seconds,
  },
]
