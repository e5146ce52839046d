import type { Row } from './row.ts'
import { newId, request } from './stranger.ts'

/** In the shape that the app asks for before it reads a body, and signed by nobody. */
const SIGNATURE = `X-Hub-Signature-256: sha256=${'0'.repeat(64)}`
const MIB = 1024 * 1024
const block = 'a'.repeat(64 * 1024)

function sized(
  name: string,
  answers: readonly string[],
  o: Parameters<typeof request>[1] & { line?: string },
): Row {
  const id = newId('size')
  return {
    name: `size: ${name}`,
    say: [request(o.line ?? 'GET /webhook/meta', { ...o, id })],
    answers,
    never: [id],
  }
}

const HEADS: readonly Row[] = [
  sized('a header of 9 KB', ['400'], { headers: [`X-Long: ${'a'.repeat(9_000)}`] }),
  sized('a name of a header of 9 KB', ['400'], { headers: [`${'X'.repeat(9_000)}: a`] }),
  sized('headers of 40 KB', ['400'], {
    headers: Array.from({ length: 10 }, (_, i) => `X-${i}: ${'a'.repeat(4_000)}`),
  }),
  sized('20,000 headers', ['400'], { headers: Array.from({ length: 20_000 }, (_, i) => `X-${i}: a`) }),
  sized('cookies of 9 KB', ['400'], { headers: [`Cookie: ${'a=b; '.repeat(1_800)}`] }),
  sized('an address of 9 KB', ['414'], { line: `GET /webhook/meta?${'a'.repeat(9_000)}` }),
  sized('a method of 9 KB', ['400', '414'], { line: `${'A'.repeat(9_000)} /webhook/meta` }),
  // Within what nginx takes and beyond what the app's parser does.
  sized('headers of 24 KB end in the app, politely', ['400'], {
    headers: Array.from({ length: 8 }, (_, i) => `X-${i}: ${'a'.repeat(3_000)}`),
  }),
]

const announced = newId('size')
const chunkedId = newId('size')
const appId = newId('size')
const mcpId = newId('size')
const BODIES: readonly Row[] = [
  {
    name: 'size: a body that announces 6 MB is refused before it comes',
    say: [
      request('POST /webhook/meta', { id: announced, headers: [SIGNATURE, `Content-Length: ${6 * MIB}`] }),
    ],
    answers: ['413'],
    never: [announced],
  },
  {
    name: 'size: a body in chunks without an end is cut off',
    say: [
      request('POST /webhook/meta', { id: chunkedId, headers: [SIGNATURE, 'Transfer-Encoding: chunked'] }),
      { text: `${block.length.toString(16)}\r\n${block}\r\n`, times: 4_000 },
    ],
    answers: ['413'],
    never: [chunkedId],
  },
  {
    name: 'size: between the limits of nginx and of the app, the app refuses',
    say: [
      request('POST /webhook/meta', { id: appId, headers: [SIGNATURE, `Content-Length: ${4.5 * MIB}`] }),
      { text: block, times: (4.5 * MIB) / block.length },
    ],
    answers: ['413'],
    reaches: [appId],
  },
  {
    name: 'size: /mcp takes 2 MB and no more',
    say: [request('POST /mcp', { id: mcpId, headers: [`Content-Length: ${2 * MIB + 1}`] })],
    answers: ['413'],
    never: [mcpId],
  },
]

export const SIZES: readonly Row[] = [...HEADS, ...BODIES]
