import { DOMAIN } from '../network.ts'
import type { Row } from './row.ts'
import { newId, request } from './stranger.ts'

const refused = (method: string, path: string, answers: readonly string[]): Row => ({
  name: `method: ${method.slice(0, 20)} ${path}`,
  say: [request(`${method} ${path}`, { id: newId('method') })],
  answers,
})

export const METHODS: readonly Row[] = [
  ...['/webhook/meta', '/mcp', '/health', '/no-such-path'].map((path) => refused('TRACE', path, ['405'])),
  refused('CONNECT', `${DOMAIN}:443`, ['400', '405']),
  refused('CONNECT', '/webhook/meta', ['400', '405']),
  ...['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'MKCOL', 'PURGE', 'FOO', 'SSTP_DUPLEX_POST'].map(
    (method) => refused(method, '/webhook/meta', ['405', '400']),
  ),
  ...['get', 'G\tET', 'GET\x00', '{"a":1}', 'GÉT', 'PRI'].map((method) =>
    refused(method, '/webhook/meta', ['400', '405']),
  ),
  {
    name: 'method: none, as before HTTP/1.0',
    say: ['GET /webhook/meta\r\n'],
    // The app's answer without a status, or none.
    answers: [''],
  },
  ...(['GET / HTTP/1.1\r\n\r\n', 'EHLO evil\r\n', '\x00'.repeat(64)] as const).map(
    (text): Row => ({
      name: `method: ${JSON.stringify(text.slice(0, 12))} in the clear to the port for TLS`,
      tls: false,
      port: 443,
      say: [text],
      answers: ['400', ''],
    }),
  ),
  {
    name: 'method: TLS to the port that has none',
    tls: false,
    say: ['\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n'],
    answers: ['400', ''],
  },
]
