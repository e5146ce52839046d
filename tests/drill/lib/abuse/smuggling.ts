import { DOMAIN } from '../network.ts'
import type { Row } from './row.ts'
import { newId } from './stranger.ts'

/** A second request inside what should be the first one's body. Its id in the app's log is the proof of a smuggler's success. */
function inner(id: string): string {
  return `GET /webhook/meta HTTP/1.1\r\nHost: ${DOMAIN}\r\nX-Request-Id: ${id}\r\nConnection: close\r\n\r\n`
}

/** @param headers all but Host; CRLF is between them already @param body `{inner}` is replaced */
function smuggle(name: string, answers: readonly string[], headers: readonly string[], body: string): Row {
  const id = newId('smuggled')
  const hidden = inner(id)
  const length = body.replace('{inner}', hidden).length
  const head = [`POST /webhook/meta HTTP/1.1`, `Host: ${DOMAIN}`, ...headers].join('\r\n')
  const text = `${head.replaceAll('{length}', String(length))}\r\n\r\n${body.replace('{inner}', hidden)}`
  return { name: `smuggling: ${name}`, say: [text], answers, never: [id], seconds: 45 }
}

const END = '0\r\n\r\n'
const CHUNKED = 'Transfer-Encoding: chunked'
const chunked = (name: string, answers: readonly string[], body: string): Row =>
  smuggle(name, answers, [CHUNKED], body)

/** Two lengths, of which nginx and the app might each believe another. */
const LENGTHS: readonly Row[] = [
  smuggle('length and chunks (CL.TE)', ['400'], ['Content-Length: {length}', CHUNKED], `${END}{inner}`),
  smuggle('chunks and length (TE.CL)', ['400'], [CHUNKED, 'Content-Length: 4'], `5c\r\n{inner}\r\n${END}`),
  smuggle('two lengths', ['400'], ['Content-Length: 0', 'Content-Length: {length}'], '{inner}'),
  smuggle('the same length twice', ['400'], ['Content-Length: 0', 'Content-Length: 0'], '{inner}'),
  ...['0, 0', '+0', '-1', '0x0', '1e1', '0 0', '', '99999999999999999999'].map((length) =>
    smuggle(`length "${length}"`, ['400'], [`Content-Length: ${length}`], '{inner}'),
  ),
]

const ENCODINGS: readonly Row[] = [
  ...[
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: chunked;a=b',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding\t: chunked',
    'Transfer-Encoding: \x0bchunked',
    'Transfer-Encoding: chunked\x00',
    'Transfer-Encoding: chunked\r',
    'X-Fold: a\r\n Transfer-Encoding: chunked',
    'X-Fold: a\r\n\tTransfer-Encoding: chunked',
    'X-Lone: a\rTransfer-Encoding: chunked',
    'X-Lone: a\nTransfer-Encoding: chunked',
    'X-Nul: a\x00Transfer-Encoding: chunked',
    ': chunked',
    'Transfer-Encoding',
  ].map((header) =>
    smuggle(
      `encoding ${JSON.stringify(header)}`,
      ['400', '501'],
      ['Content-Length: {length}', header],
      `${END}{inner}`,
    ),
  ),
  smuggle(
    'a name with an underscore is no length',
    ['404 400'],
    ['Content_Length: {length}'],
    `${END}{inner}`,
  ),
]

const CHUNKS: readonly Row[] = [
  ...['FFFFFFFFFFFFFFFFF', '-1', '0x3', '3\n', '+3', '', 'g', '3\x00'].map((size) =>
    chunked(`chunk size ${JSON.stringify(size)}`, ['400'], `${size}\r\nabc\r\n${END}{inner}`),
  ),
  ...['7FFFFFFFFFFFFFFF', '10000000'].map((size) =>
    chunked(`chunk size ${size}`, ['400', '413'], `${size}\r\nabc\r\n${END}{inner}`),
  ),
  chunked('a chunk that is longer than it says', ['400'], `1\r\n{inner}\r\n${END}`),
  chunked('a line of a chunk that ends with LF alone', ['400'], `3\nabc\n0\n\n{inner}`),
]

const LINES: readonly Row[] = [
  ['a tab', 'GET\t/webhook/meta HTTP/1.1'],
  ['a space before the method', ' GET /webhook/meta HTTP/1.1'],
  ['a space in the path', 'GET /webhook/meta /x HTTP/1.1'],
  ['version 2.0', 'GET /webhook/meta HTTP/2.0'],
  ['version 9.9', 'GET /webhook/meta HTTP/9.9'],
  ['no slash', 'GET webhook/meta HTTP/1.1'],
  ['another protocol', 'GET /webhook/meta RTSP/1.0'],
  ['NUL', 'GET /webhook\x00/meta HTTP/1.1'],
  ['a lone CR', 'GET /webhook\r/meta HTTP/1.1'],
].map(([what, line]) => {
  const id = newId('line')
  const text = `${line}\r\nHost: ${DOMAIN}\r\nX-Request-Id: ${id}\r\nConnection: close\r\n\r\n`
  return { name: `request line: ${what}`, say: [text], answers: ['400', '505'], never: [id] }
})

const first = newId('pipelined')
const second = newId('pipelined')
/** Shows that an inner request that is let through would be seen. */
const CONTROL: Row = {
  name: 'smuggling: two honest requests on one connection are both seen by the app',
  say: [inner(first).replace('Connection: close\r\n', ''), inner(second)],
  answers: ['404 404'],
  reaches: [first, second],
}

const upgraded = newId('upgraded')
const UPGRADE: Row = {
  name: 'smuggling: an upgrade to HTTP/2 in the clear is not taken up',
  say: [
    inner(upgraded).replace(
      'Connection: close',
      'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings, close',
    ),
  ],
  answers: ['404'],
  reaches: [upgraded],
}

export const SMUGGLING: readonly Row[] = [CONTROL, UPGRADE, ...LENGTHS, ...ENCODINGS, ...CHUNKS, ...LINES]
