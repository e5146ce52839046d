import type { Row } from './row.ts'
import { newId, request } from './stranger.ts'

/** Spellings that would lead to what is not for strangers, if nginx and the app read them differently. */
const SPELLINGS: readonly string[] = [
  ...[
    '/metrics',
    '/livez',
    '//metrics',
    '/./metrics',
    '/health/../metrics',
    '/health/..%2fmetrics',
    '/%6detrics',
  ],
  ...['/health/%2e%2e/metrics', '/health%2f..%2fmetrics', '/health/..;/metrics', '/health;/../metrics'],
  ...['/%252e%252e/metrics', '/health/%252e%252e/metrics', '/health\\..\\metrics', '/health%5c..%5cmetrics'],
  ...['/health/%c0%ae%c0%ae/metrics', '/health/%e0%80%ae%e0%80%ae/metrics', '/health/%uff0e%uff0e/metrics'],
  ...['/media/../metrics', '/media/abcdefgh12345678/../../metrics', '/media/..%2f..%2f..%2fetc%2fpasswd'],
  ...['/media/....//....//etc/passwd', '/media/%2e%2e%2f%2e%2e%2fetc%2fpasswd', '/media/abcdefgh%0012345678'],
  ...['/media/', '/media', '/media/abcdefg', `/media/${'a'.repeat(300)}`, '/media/abcdefgh12345678%20'],
  ...['/mcp/', '/MCP', '/mcp%20', '/mcp/../metrics', '/mcp;x=1', '/mcp%2f', '/mcp/sse', '/mcp%23'],
  ...[
    '/.git/config',
    '/.env',
    '/run/secrets/',
    '/server.js',
    '/..',
    '/../../../../etc/passwd',
    '/%2e%2e/%2e%2e/',
  ],
  ...[
    '/webhook/meta/',
    '/webhook/meta/..',
    '/webhook%2fmeta%2f',
    '/webhook/meta%00',
    '/webhook/meta%0a',
    '/%',
  ],
  ...['/%zz', '/%c3%28', '/\xff\xfe', '*', '/api/inngest/', '/api/../metrics', '/api/inngest/../../metrics'],
]

/** What is readable on port 80 is a challenge of the certificate's authority, if there is one. */
const CHALLENGES: readonly string[] = [
  ...['', '.', '..', '../', '../../etc/passwd', '..%2f..%2f..%2fetc%2fpasswd', '%2e%2e/%2e%2e/etc/passwd'],
  ...[
    '..;/..;/etc/passwd',
    '%252e%252e/etc/passwd',
    '..\\..\\etc\\passwd',
    '%c0%ae%c0%ae/etc/passwd',
    'a%00b',
  ],
]

const refused: readonly Row[] = SPELLINGS.map((path) => ({
  name: `path: ${JSON.stringify(path)} leads nowhere`,
  say: [request(`GET ${path}`, { id: newId('path') })],
  answers: ['404', '400'],
}))

const challenges: readonly Row[] = CHALLENGES.map((path) => ({
  name: `path: the challenge ${JSON.stringify(path)} is no file, and no list of files`,
  tls: false,
  say: [request(`GET /.well-known/acme-challenge/${path}`)],
  answers: ['403', '404', '400', '301'],
}))

export const PATHS: readonly Row[] = [...refused, ...challenges]
