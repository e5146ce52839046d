import { DOMAIN } from '../network.ts'
import type { Row } from './row.ts'
import { newId, request } from './stranger.ts'

const LIE = '6.6.6.6'

/** Where the app answers, and what it answers to who is nobody. */
const PATHS: readonly (readonly [path: string, status: string])[] = [
  ['/mcp', '401'],
  ['/webhook/meta', '404'],
  ['/media/abcdefgh12345678', '404'],
]

/** Ways to have another address believed; the app's log tells which it believed. */
const LIES: readonly (readonly [what: string, headers: readonly string[]])[] = [
  ['X-Forwarded-For twice', [`X-Forwarded-For: ${LIE}`, `X-Forwarded-For: 127.0.0.1`]],
  ['X-Forwarded-For with underscores', [`X_Forwarded_For: ${LIE}`]],
  ['X-Forwarded-For with a space', [`X-Forwarded-For:${' '.repeat(50)}${LIE}, ${LIE}`]],
  [
    'x-forwarded-for in small letters',
    [`x-forwarded-for: ${LIE}`, `x-real-ip: ${LIE}`, `forwarded: for=${LIE}`],
  ],
  ['headers named by Connection', ['Connection: X-Forwarded-For, X-Real-IP, Host, X-Request-Id']],
]

const believed: readonly Row[] = PATHS.flatMap(([path, status]) =>
  LIES.map(([what, headers]) => {
    const id = newId('lie')
    return {
      name: `spoofing: ${path}, ${what}`,
      say: [request(`GET ${path}`, { id, headers })],
      answers: [status],
      reaches: [id],
    }
  }),
)

const trailerId = newId('trailer')
const TRAILER: Row = {
  name: 'spoofing: a trailer is no header',
  say: [
    request('POST /webhook/meta', {
      id: trailerId,
      headers: ['Transfer-Encoding: chunked', 'Trailer: X-Forwarded-For'],
      body: `3\r\nabc\r\n0\r\nX-Forwarded-For: ${LIE}\r\n\r\n`,
    }),
  ],
  answers: ['404'],
  reaches: [trailerId],
}

/** Names of ours in spellings that mean somebody else. */
const names: readonly Row[] = [
  ['two of them', ['400'], `${DOMAIN}\r\nHost: evil.example`],
  ['a space', ['400'], `${DOMAIN} evil.example`],
  ['a path', ['400'], `${DOMAIN}/evil`],
  ['a user', ['400', '421'], `${DOMAIN}@evil.example`],
  ['NUL', ['400'], `${DOMAIN}\x00.evil.example`],
  ['a suffix', ['421'], `${DOMAIN}.evil.example`],
  ['a prefix', ['421'], `evil.${DOMAIN}`],
  ['empty', ['400'], ''],
  ['an address', ['421'], '127.0.0.1'],
  ['the app inside', ['421'], 'app:3000'],
].map(([what, answers, host]) => {
  const id = newId('host')
  const said = request('GET /webhook/meta', { id, host: host as string })
  return { name: `spoofing: Host with ${what}`, say: [said], answers: answers as string[], never: [id] }
})

const absolute = newId('absolute')
const bare = newId('bare')
const UNNAMED: readonly Row[] = [
  {
    name: 'spoofing: another host in the request line than in Host',
    say: [request('GET http://evil.example/webhook/meta', { id: absolute })],
    answers: ['421'],
    never: [absolute],
  },
  {
    name: 'spoofing: no Host',
    say: [`GET /webhook/meta HTTP/1.1\r\nX-Request-Id: ${bare}\r\n\r\n`],
    answers: ['400'],
    never: [bare],
  },
]

export const SPOOFING: readonly Row[] = [...believed, TRAILER, ...names, ...UNNAMED]
