import { request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Harness, SECRETS, sign, startHarness } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness?.stop())

const post = (body: string | Buffer, signature: string | undefined = sign(body)) =>
  fetch(`${harness.origin}/webhook/meta`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(signature && { 'x-hub-signature-256': signature }) },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  })

const stored = async (body: string | Buffer) =>
  (await harness.db.sql`select 1 from webhook_events where body = ${Buffer.from(body)}`).length

test('a signed event is stored byte for byte before the answer', async () => {
  const body = '{"m":"caf\\u00e9 \\ud83d\\udc4d a\\/b"}'
  const response = await post(body)
  expect(response.status).toBe(200)
  const rows = await harness.db.sql`select body, sha256 = sha256(body) as right from webhook_events`
  expect(rows).toEqual([{ body: Buffer.from(body), right: true }])
})

test('the same event is stored once, however often and however close together it comes', async () => {
  const body = '{"event":"again"}'
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(body)))
  answers.push(await post(body))
  expect(answers.map(({ status }) => status)).toEqual(Array(21).fill(200))
  expect(await stored(body)).toBe(1)
  expect(harness.logs.filter(({ msg }) => msg === 'webhook_duplicate')).toHaveLength(20)
})

test('the previous app secret still counts while a reset is under way', async () => {
  const body = '{"signed":"with the previous secret"}'
  expect((await post(body, sign(body, SECRETS.previousAppSecret))).status).toBe(200)
  expect(await stored(body)).toBe(1)
})

test('what is not JSON but rightly signed is kept, since nobody can send it again', async () => {
  const body = Buffer.from([0, 255, 254, 10, 123])
  expect((await post(body)).status).toBe(200)
  expect(await stored(body)).toBe(1)
})

const genuine = '{"event":"not mine"}'
test.each([
  ['of other bytes', sign('{"event":"other"}')],
  ['missing', undefined],
  ['empty', 'sha256='],
  ['in upper case', sign(genuine).toUpperCase()],
  ['too long', `${sign(genuine)}00`],
  ['without its prefix', sign(genuine).slice(7)],
])('a signature %s gets 404 and stores nothing', async (_, signature) => {
  const response = await post(genuine, signature ?? '')
  expect(response.status).toBe(404)
  expect(await response.json()).toEqual({ error: 'not_found' })
  expect(await stored(genuine)).toBe(0)
})

test('4 MiB are accepted, one byte more is refused, with or without a length', async () => {
  const largest = Buffer.alloc(4 * 1024 * 1024, 'a')
  expect((await post(largest)).status).toBe(200)
  const tooLarge = Buffer.alloc(4 * 1024 * 1024 + 1, 'a')
  expect((await post(tooLarge)).status).toBe(413)
  const chunked = await new Promise<number>((resolve, reject) => {
    const headers = { 'x-hub-signature-256': sign(tooLarge), 'transfer-encoding': 'chunked' }
    const req = request(`${harness.origin}/webhook/meta`, { method: 'POST', headers }, (res) => {
      res.resume()
      resolve(res.statusCode ?? 0)
    })
    req.on('error', reject).end(tooLarge)
  })
  expect(chunked).toBe(413)
  expect((await harness.db.sql`select 1 from webhook_events where length(body) > 4000000`).length).toBe(1)
})

test('a body that ends too early is not stored, and the server goes on', async () => {
  const half = '{"event":"trunc'
  const port = Number(new URL(harness.origin).port)
  const socket = connectSocket(port, '127.0.0.1')
  socket.write(
    `POST /webhook/meta HTTP/1.1\r\nhost: x\r\nx-hub-signature-256: ${sign(half)}\r\ncontent-length: 100\r\n\r\n${half}`,
  )
  await delay(100)
  socket.destroy()
  await expect.poll(() => harness.logs.some(({ status }) => status === 499)).toBe(true)
  expect(await stored(half)).toBe(0)
  expect((await fetch(`${harness.origin}/livez`)).status).toBe(200)
})

test('the subscription is confirmed for the right token only', async () => {
  const ask = (query: Record<string, string>) =>
    fetch(`${harness.origin}/webhook/meta?${new URLSearchParams(query)}`)
  const right = {
    'hub.mode': 'subscribe',
    'hub.verify_token': SECRETS.verifyToken.reveal(),
    'hub.challenge': '<b>1',
  }
  const confirmed = await ask(right)
  expect([confirmed.status, await confirmed.text()]).toEqual([200, '<b>1'])
  expect(confirmed.headers.get('content-type')).toMatch(/^text\/plain/)
  expect((await ask({ ...right, 'hub.verify_token': 'wrong' })).status).toBe(404)
  expect((await ask({ ...right, 'hub.mode': 'unsubscribe' })).status).toBe(404)
  expect((await ask({ 'hub.mode': 'subscribe', 'hub.challenge': '1' })).status).toBe(404)
})

test('other methods are named in the answer', async () => {
  const response = await fetch(`${harness.origin}/webhook/meta`, { method: 'PUT', body: 'x' })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST'])
})

test('neither bodies, secrets nor queries are in the log', async () => {
  const all = JSON.stringify(harness.logs)
  for (const value of Object.values(SECRETS)) expect(all).not.toContain(value.reveal())
  expect(all).not.toContain('not mine')
  expect(all).not.toContain('hub.mode')
  expect(all).toContain('/webhook/meta')
})
