import type { Drill } from '../drill.ts'
import type { Row } from './row.ts'
import { newId, request } from './stranger.ts'
import type { Testimony } from './witness.ts'

const FORGED = 'forged-0123456789'
/** What would end a string, a line or a terminal's patience, as nginx decodes it from a path. */
const PATHS: readonly string[] = [
  `/%0a%7b%22rid%22:%22${FORGED}%22%7d%0a`,
  `/%0d%0a%7b%22rid%22:%22${FORGED}%22%7d`,
  `/x%22,%22rid%22:%22${FORGED}%22,%22y%22:%22`,
  '/%5c%22%5c',
  '/%1b%5b2J%1b%5d0;evil%07',
  '/%7f%08%09%0b',
  '/%c2%9b31m',
  '/%e2%80%a8%e2%80%ae',
  '/%ff%fe%c0%80',
  '/\xff\xfe',
  '/%f0%9f%90%98',
  '/$uri$request_uri%24%7bjndi%7d',
]
const IDS: readonly string[] = [
  `x","rid":"${FORGED}`,
  'x\x1b[2Jxxxxxxxx',
  'x\txxxxxxxxxx',
  `x\x85xxxxxxxxxx`,
  'a'.repeat(65),
  '-xxxxxxxxxx',
  'short',
]

const paths = PATHS.map((path) => ({ id: newId('logged'), path }))

export const INJECTION: readonly Row[] = [
  ...paths.map(({ id, path }) => ({
    name: `log: path ${JSON.stringify(path)}`,
    say: [request(`GET ${path}`, { id })],
    answers: ['404'],
    never: [id],
  })),
  ...IDS.map((id) => ({
    name: `log: request id ${JSON.stringify(id.slice(0, 30))}`,
    say: [request('GET /webhook/meta', { id })],
    answers: ['404', '400'],
    never: [id, FORGED],
  })),
]

/** After all rows of the suite: what strangers wrote has made no line of its own and broken none. */
export function judgeLogs(drill: Drill, { nginx, app, unreadable, text }: Testimony): void {
  drill.expect(
    'log: every line of nginx and of the app is an object of JSON',
    nginx.length > 200 && app.length > 50 && unreadable.length === 0,
    `${nginx.length} of nginx, ${app.length} of the app, and ${unreadable.slice(0, 3).join('\n')}`,
  )
  const lines = paths.map(({ id }) => nginx.filter(({ rid }) => rid === id).length)
  drill.expect(
    'log: a request is one line',
    lines.every((count) => count === 1),
    lines.join(' '),
  )
  const forged = [...nginx, ...app].filter(({ rid }) => rid === FORGED)
  drill.expect('log: nobody writes a line for us', forged.length === 0, JSON.stringify(forged[0]))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are looked for
  const controls = text.match(/[\x00-\x09\x0b-\x1f\x7f-\x9f\ufffd]/g) ?? []
  drill.expect(
    'log: no control character is in it, and nothing but UTF-8',
    controls.length === 0,
    JSON.stringify(controls.slice(0, 5)),
  )
}
