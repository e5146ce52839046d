import type { Drill } from '../drill.ts'
import { DOMAIN } from '../network.ts'
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  header,
  OVER,
  PING,
  preface,
  RST_STREAM,
  verdict,
} from './frames.ts'
import { type Attempt, describe, newId, type Outcome } from './stranger.ts'
import type { Testimony } from './witness.ts'

interface Row extends Attempt {
  /** Of stream 1: a status, `reset`, `goaway`, or '' where the connection just ends. */
  readonly answers: readonly string[]
  /** Of what the app must not have seen, or must. */
  readonly never?: string
  readonly reaches?: string
}

const tls = { protocols: ['h2'] }
const smuggled = newId('h2')
/** In the text of a header: what would be a request of its own once HTTP/2 has become HTTP/1. */
const LINES = `x\r\n\r\nGET /webhook/meta HTTP/1.1\r\nHost: ${DOMAIN}\r\nX-Request-Id: ${smuggled}\r\n\r\n`

type Fields = readonly (readonly [name: string, value: string])[]
const pseudo = (changes: Readonly<Record<string, string>> = {}): Fields =>
  Object.entries({
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': DOMAIN,
    ':path': '/webhook/meta',
    ...changes,
  })

function block(fields: Fields): string {
  return fields.map(([name, value]) => header(name, value)).join('')
}

function ask(name: string, answers: readonly string[], fields: Fields, body?: string): Row {
  const flags = END_HEADERS | (body === undefined ? END_STREAM : 0)
  const say = [
    preface() +
      frame(HEADERS, flags, 1, block(fields)) +
      (body === undefined ? '' : frame(DATA, END_STREAM, 1, body)),
  ]
  return { name: `http/2: ${name}`, tls, say, enough: OVER, answers, never: smuggled }
}

const POST = pseudo({ ':method': 'POST' })
const honest = newId('h2')
const BROKEN = ['400', 'reset', 'goaway', '']

const REQUESTS: readonly Row[] = [
  { ...ask('an honest request', ['404'], [...pseudo(), ['x-request-id', honest]]), reaches: honest },
  ask('a length below that of the body', BROKEN, [...POST, ['content-length', '0']], LINES),
  ask('a length above that of the body', BROKEN, [...POST, ['content-length', '999']], LINES),
  ask('two lengths', BROKEN, [...POST, ['content-length', '3'], ['content-length', '4']], 'abc'),
  ask(
    'chunks (H2.TE)',
    [...BROKEN, '404', '501'],
    [...POST, ['transfer-encoding', 'chunked']],
    `0\r\n\r\n${LINES}`,
  ),
  ask(
    'another encoding',
    [...BROKEN, '404', '501'],
    [...POST, ['transfer-encoding', 'xchunked']],
    `0\r\n\r\n${LINES}`,
  ),
  ask('lines in a value', BROKEN, [...pseudo(), ['x-lines', LINES]]),
  ask('lines in a name', BROKEN, [...pseudo(), [LINES, 'x']]),
  ask('lines in the path', BROKEN, pseudo({ ':path': `/webhook/meta ${LINES}` })),
  ask('lines in the method', [...BROKEN, '405'], pseudo({ ':method': `GET /webhook/meta ${LINES}` })),
  ask('lines in the name of the host', BROKEN, pseudo({ ':authority': `${DOMAIN}${LINES}` })),
  ask('NUL in a value', BROKEN, [...pseudo(), ['x-nul', 'a\x00b']]),
  ask('a colon in a name', BROKEN, [...pseudo(), ['x:y', 'a']]),
  ask('capital letters in a name', BROKEN, [...pseudo(), ['X-Capital', 'a']]),
  ask('two paths', BROKEN, [...pseudo(), [':path', '/metrics']]),
  ask(
    'no path',
    BROKEN,
    pseudo().filter(([name]) => name !== ':path'),
  ),
  ask('an unknown pseudo-header', BROKEN, [...pseudo(), [':evil', 'a']]),
  ask('another host', ['421'], pseudo({ ':authority': 'evil.example' })),
  ask('another host in Host', [...BROKEN, '421'], [...pseudo(), ['host', 'evil.example']]),
  ask('a path outside', ['404'], pseudo({ ':path': '/health/../metrics' })),
  ask('a body of 6 MB, announced', ['413'], [...POST, ['content-length', String(6 * 1024 * 1024)]], 'abc'),
]

const GET = block(pseudo({ ':path': '/no-such-path' }))
const resets = Array.from({ length: 20_000 }, (_, i) => {
  const stream = 2 * i + 1
  const request = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET)
  return request + frame(RST_STREAM, 0, stream, '\x00\x00\x00\x08')
})

/** Each is to end with the connection, by the server's doing. */
const FLOODS: readonly Row[] = [
  {
    name: 'http/2: requests taken back at once, without end',
    tls,
    say: [preface(), ...resets],
    answers: ['goaway', '', '404'],
  },
  {
    name: 'http/2: headers continued without end',
    tls,
    say: [
      preface() + frame(HEADERS, END_STREAM, 1, GET),
      { text: frame(CONTINUATION, 0, 1, block([['x-more', 'a'.repeat(8_000)]])), times: 2_000 },
    ],
    answers: ['goaway', '', '400'],
  },
  {
    name: 'http/2: pings without end',
    tls,
    say: [preface(), { text: frame(PING, 0, 0, '12345678').repeat(1_000), times: 1_000 }],
    answers: ['goaway', ''],
  },
  {
    name: 'http/2: an answer that nobody takes in',
    tls,
    say: [preface([[4, 0]]) + frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)],
    answers: ['404'],
    seconds: 75,
  },
]

export const HTTP2: readonly Row[] = [...REQUESTS, ...FLOODS]

export function judgeHttp2(
  drill: Drill,
  found: { outcomes: ReadonlyMap<string, Outcome>; testimony: Testimony },
): void {
  for (const { name, answers, never, reaches, enough } of HTTP2) {
    const outcome = found.outcomes.get(name)
    const got = verdict(outcome?.answer ?? '')
    const seen = (id: string | undefined) => found.testimony.app.filter(({ rid }) => rid === id).length
    const ended = enough !== undefined || outcome?.end !== 'open'
    const good = outcome !== undefined && answers.includes(got) && ended
    const right = good && (never === undefined || seen(never) === 0) && (!reaches || seen(reaches) === 1)
    drill.expect(name, right, `"${got}", ${describe(outcome)}`)
  }
}
