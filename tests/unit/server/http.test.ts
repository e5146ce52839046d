import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { readBody } from '../../../server/http/body.ts'
import { callerAddress, requestId } from '../../../server/http/caller.ts'
import { createFront, type Routes } from '../../../server/http/front.ts'
import { sendText } from '../../../server/http/reply.ts'
import { createLogger } from '../../../server/log.ts'

const lines: string[] = []
const log = createLogger('debug', { write: (line) => void lines.push(line) })
let close: () => void = () => {}
afterEach(() => close())

async function start(routes: Routes): Promise<string> {
  const server = createFront(routes, log)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  close = () => void server.close().closeAllConnections()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a body that trickles is refused with 408, and the connection does not linger', async () => {
  const origin = await start({
    '/': {
      POST: async ({ req, res }) => sendText(res, 200, String(await readBody(req, { bytes: 100, ms: 80 }))),
    },
  })
  const req = request(origin, { method: 'POST', headers: { 'content-length': 50 } })
  req.on('error', () => {})
  const trickle = setInterval(() => req.write('a'), 20)
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  clearInterval(trickle)
  expect(res.statusCode).toBe(408)
  const started = performance.now()
  res.resume()
  await once(req, 'close')
  expect(performance.now() - started).toBeLessThan(4_000)
})

test('unknown paths answer JSON whose error is a string, the OAuth probes of MCP clients among them', async () => {
  const origin = await start({ '/known': { GET: ({ res }) => sendText(res, 200, 'ok') } })
  const paths = ['/', '/nothing', '/__proto__', '/constructor', '/known/', '//known']
  const probes = ['/.well-known/oauth-protected-resource/mcp', '/.well-known/openid-configuration']
  for (const path of [...paths, ...probes]) {
    const response = await fetch(origin + path)
    expect([path, response.status, await response.json()]).toEqual([path, 404, { error: 'not_found' }])
  }
  expect((await fetch(`${origin}/known?x=1`)).status).toBe(200)
  expect((await fetch(`${origin}/known`, { method: 'DELETE' })).status).toBe(405)
})

test('a handler that fails answers 500 without a word of why; the log has it', async () => {
  const origin = await start({
    '/': {
      GET: () => {
        throw new Error('the inner reason')
      },
    },
  })
  const response = await fetch(origin)
  expect([response.status, await response.text()]).toEqual([500, '{"error":"internal_error"}'])
  expect(lines.join('')).toContain('the inner reason')
})

test('every request has one log line: id, route, no query, no headers', async () => {
  const origin = await start({ '/': { GET: ({ res }) => sendText(res, 200, 'ok') } })
  lines.length = 0
  const headers = { 'x-request-id': 'my-request-id.1', authorization: 'Bearer hidden-token' }
  const response = await fetch(`${origin}/?token=in-the-query`, { headers })
  expect(response.headers.get('x-request-id')).toBe('my-request-id.1')
  await expect.poll(() => lines.length).toBe(1)
  const entry = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  expect(entry).toMatchObject({
    rid: 'my-request-id.1',
    method: 'GET',
    route: '/',
    status: 200,
    ip: '127.0.0.1',
  })
  expect(lines[0]).not.toMatch(/hidden-token|in-the-query/)
})

test('what comes below a route is not logged: it may be a ticket, in whatever spelling', async () => {
  const origin = await start({ '/media/': { GET: ({ res }) => sendText(res, 200, 'ok') } })
  lines.length = 0
  await fetch(`${origin}/media/the-ticket`)
  await fetch(`${origin}/%6dedia/the-ticket`)
  await expect.poll(() => lines.length).toBe(2)
  expect(lines.map((line) => (JSON.parse(line) as Record<string, unknown>).route)).toEqual([
    '/media/',
    'none',
  ])
  expect(lines.join('')).not.toContain('the-ticket')
})

test('what is not HTTP gets 400 and the server goes on', async () => {
  const origin = await start({ '/': { GET: ({ res }) => sendText(res, 200, 'ok') } })
  const { connect } = await import('node:net')
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.end('nonsense\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /)
  expect((await fetch(origin)).status).toBe(200)
})

const incoming = (remoteAddress: string, headers: Record<string, string>) =>
  ({ headers, socket: { remoteAddress } }) as unknown as IncomingMessage

test.each([
  ['127.0.0.1', undefined, '127.0.0.1'],
  ['::ffff:172.18.0.3', '203.0.113.9', '203.0.113.9'],
  ['172.18.0.3', '1.1.1.1, 2.2.2.2, 203.0.113.9', '203.0.113.9'],
  ['172.18.0.3', '1.1.1.1, not-an-address', '172.18.0.3'],
  ['fd00::3', '2001:db8::1', '2001:db8::1'],
  ['198.51.100.7', '203.0.113.9', '198.51.100.7'],
])('the caller behind %s saying %s is %s', (peer, forwarded, expected) => {
  const headers: Record<string, string> = forwarded ? { 'x-forwarded-for': forwarded } : {}
  expect(callerAddress(incoming(peer, headers))).toBe(expected)
})

test.each(['short', 'has space in it', 'a'.repeat(65), '-starts-wrong', 'line\nbreak-here', '<script>alert'])(
  'the request id %j is replaced by one of ours',
  (id) => {
    expect(requestId(incoming('::1', { 'x-request-id': id }))).toMatch(/^[0-9a-f-]{36}$/)
  },
)
