import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { addClient, addNumber } from './fixtures.ts'
import { type Harness, SECRETS, sign, startHarness } from './harness.ts'
import { ana, post as deliverTo, delivery, inboundText, processed } from './payloads.ts'

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

test('D2.2 a signed event is stored byte for byte before the answer', async () => {
  const body = '{"m":"caf\\u00e9 \\ud83d\\udc4d a\\/b"}'
  const response = await post(body)
  expect(response.status).toBe(200)
  const rows = await harness.db.sql`select body, sha256 = sha256(body) as right from webhook_events`
  expect(rows).toEqual([{ body: Buffer.from(body), right: true }])
})

test('D2.3 the same event is stored once, however often and however close together it comes', async () => {
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
])('D2.2 a signature %s gets 404 and stores nothing', async (_, signature) => {
  const response = await post(genuine, signature ?? '')
  expect(response.status).toBe(404)
  expect(await response.json()).toEqual({ error: 'not_found' })
  expect(await stored(genuine)).toBe(0)
})

test('D2.9 4 MiB are accepted, one byte more is refused, with or without a length', async () => {
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

test('D2.1 the subscription is confirmed for the right token only', async () => {
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

test('an event and the job that follows from it are stored together', async () => {
  const body = '{"event":"with its job"}'
  await post(body)
  const rows = await harness.db.sql`
    select o.name, a.name as app from webhook_events e
    join outbox o on o.data = jsonb_build_object('eventId', e.id) join meta_apps a on a.id = e.meta_app_id
    where e.body = ${Buffer.from(body)}`
  expect(rows).toEqual([{ name: 'wa/webhook.received', app: 'default' }])
})

test('every app signs with a secret of its own, and is asked for a verify token of its own', async () => {
  const secret = new Secret('secret-of-the-second-app')
  await writeFile(join(harness.secretsDir, 'second_app'), secret.reveal())
  await writeFile(join(harness.secretsDir, 'second_verify'), 'token-of-the-second-app')
  await harness.db.sql`
    insert into meta_apps (name, app_secret_ref, verify_token_ref)
    values ('second', 'secrets://second_app', 'secrets://second_verify')`
  const body = '{"signed":"by the second app"}'
  await expect.poll(async () => (await post(body, sign(body, secret))).status).toBe(200)
  const rows = await harness.db.sql`
    select a.name from webhook_events e join meta_apps a on a.id = e.meta_app_id where e.body = ${Buffer.from(body)}`
  expect(rows).toEqual([{ name: 'second' }])
  const query = {
    'hub.mode': 'subscribe',
    'hub.verify_token': 'token-of-the-second-app',
    'hub.challenge': '7',
  }
  const asked = await fetch(`${harness.origin}/webhook/meta?${new URLSearchParams(query)}`)
  expect([asked.status, await asked.text()]).toEqual([200, '7'])
})

test('an app cannot write into the inbox of a number of another', async () => {
  const { sql } = harness.db
  await sql`insert into meta_apps (name, app_secret_ref, verify_token_ref)
    values ('third', 'secrets://third_app', 'secrets://third_verify')`
  await writeFile(join(harness.secretsDir, 'third_app'), 'secret-of-the-third-app')
  const client = await addClient(sql, 'shop')
  const number = await addNumber(sql, client)
  const secret = new Secret('secret-of-the-third-app')
  const forged = delivery(number, { messages: [inboundText(ana, 'forged')] })
  const deliverForged = async () => (await deliverTo(harness.origin, forged, secret)).status
  await expect.poll(deliverForged).toBe(200)
  await deliverTo(harness.origin, delivery(number, { messages: [inboundText(ana, 'genuine')] }))
  await processed(harness)
  const rows = await sql`select body from messages where phone_number_id = ${number.id}`
  expect(rows).toEqual([{ body: 'genuine' }])
  const dropped = await sql`select client_id, error_class from audit_log where action = 'webhook.dropped'`
  expect(dropped).toEqual([{ client_id: client.id, error_class: 'foreign_number' }])
})

test('refused signatures are audited as a number once a minute, so that a flood fills nothing', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, n) => post(`{"flood":${n}}`, sign('other'))))
  const rows = () => harness.db.sql`select outcome, ip from audit_log where action = 'webhook.refused'`
  await expect.poll(rows).toEqual([{ outcome: 'refused', ip: '127.0.0.1' }])
})

test('bodies under way at the same time are bounded together; there is room again when they are done', async () => {
  const port = Number(new URL(harness.origin).port)
  const announce = () => {
    const socket = connectSocket(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `POST /webhook/meta HTTP/1.1\r\nhost: x\r\nx-hub-signature-256: ${sign('x')}\r\ncontent-length: ${4 * 1024 * 1024}\r\n\r\n{`,
    )
    return socket
  }
  const sockets = Array.from({ length: 17 }, announce)
  await expect.poll(() => harness.logs.filter(({ status }) => status === 503).length).toBe(1)
  const small = '{"event":"no room"}'
  expect((await post(small)).status).toBe(503)
  for (const socket of sockets) socket.destroy()
  await expect.poll(async () => (await post(small)).status).toBe(200)
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
