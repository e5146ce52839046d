import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../../../scripts/backup/ping.ts'
import { Secret } from '../../../secrets/secret.ts'

let server: Server
let seen: string[]
let answer: number | 'nothing'
const url = () => new Secret(`http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path?x=1`)

beforeEach(async () => {
  seen = []
  answer = 200
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    if (answer !== 'nothing') response.writeHead(answer).end('ok')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

describe('the monitor', () => {
  it('hears of success and of failure', async () => {
    await call(url(), true)
    await call(url(), false)
    expect(seen).toEqual(['GET /secret-path?x=1', 'GET /secret-path/fail?x=1'])
  })

  it.each([
    [500, 10_000, /^127\.0\.0\.1:\d+ answered 500$/] as const,
    ['nothing', 300, /cannot be reached/] as const,
  ])('that answers %s is complained about, without its address', async (status, limit, message) => {
    answer = status
    const error = await call(url(), true, limit).catch((thrown: Error) => thrown)
    expect(error?.message).toMatch(message)
    expect(String(error?.stack)).not.toContain('secret-path')
  })
})
