import { request } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadAppConfig } from '../../../server/config/env.ts'
import { type EventApi, startEventApi } from '../../fakes/inngest/event-api.ts'
import { signCall } from '../../fakes/inngest/signature.ts'
import {
  EVENT_KEY,
  type Ground,
  type InngestApp,
  KEY,
  PREVIOUS_KEY,
  prepareGround,
  SERVE_ORIGIN,
  startApp,
} from './inngest-app.ts'

let ground: Ground
let api: EventApi
let app: InngestApp

beforeAll(async () => {
  ground = await prepareGround()
})
afterAll(() => ground?.stop())
beforeEach(async () => {
  api = await startEventApi(EVENT_KEY)
  app = await startApp(ground, api)
})
afterEach(async () => {
  await app.stop()
  await api.close()
  await ground.clear()
})

describe('what the endpoint refuses', () => {
  test('D3.1 an unsigned call of any method is refused, and so is one with a wrong or an old signature', async () => {
    const body = { url: 'http://x' }
    for (const method of ['GET', 'POST', 'PUT']) {
      const text = method === 'GET' ? undefined : JSON.stringify(body)
      expect((await app.call(method, {}, text)).status).toBe(401)
      expect((await app.call(method, { 'x-inngest-signature': 't=1&s=00' }, text)).status).toBe(401)
      const old = Math.floor(Date.now() / 1000) - 600
      const wrong = await app.signed(method, text === undefined ? undefined : body, 'c3'.repeat(32))
      const late = await app.signed(method, text === undefined ? undefined : body, KEY, old)
      expect([wrong.status, late.status]).toEqual([401, 401])
    }
    expect(api.calls).toBe(0)
  })

  test('the previous key still works', async () => {
    expect((await app.signed('GET', undefined, PREVIOUS_KEY)).status).toBe(200)
  })

  test('other methods are 405, signed or not', async () => {
    for (const method of ['DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
      const answer = await app.signed(method)
      expect(answer.status).toBe(405)
      expect(answer.headers.get('allow')).toBe('GET, POST, PUT')
    }
  })

  test('malformed JSON is an answer, not the end of the process', async () => {
    for (const method of ['POST', 'PUT']) {
      const answer = await app.call(method, { 'x-inngest-signature': signCall(KEY, undefined) }, '{"broken')
      expect(answer.status).toBe(400)
    }
    await app.isAlive()
  })

  test('an upload cut in the middle is not the end of the process', async () => {
    const { port, hostname } = new URL(app.url)
    for (const method of ['POST', 'PUT']) {
      await new Promise<void>((resolve) => {
        const socket = connectTcp(Number(port), hostname, () => {
          socket.write(
            `${method} /api/inngest HTTP/1.1\r\nhost: x\r\nx-inngest-signature: t=1&s=00\r\ncontent-length: 1000\r\n\r\n{"half`,
            () => socket.destroy(),
          )
        })
        socket.on('close', () => resolve())
      })
    }
    await app.isAlive()
  })

  test('a body of 6 MiB is 413, declared or chunked, whatever its signature', async () => {
    const body = JSON.stringify({ filler: 'x'.repeat(6 * 1024 * 1024) })
    const bogus = { 'x-inngest-signature': `t=${Math.floor(Date.now() / 1000)}&s=${'0'.repeat(64)}` }
    expect((await app.call('POST', bogus, body)).status).toBe(413)
    const stream = new Blob([body]).stream()
    const chunked = await fetch(app.url, {
      method: 'POST',
      headers: bogus,
      body: stream,
      duplex: 'half',
    } as RequestInit)
    expect(chunked.status).toBe(413)
    expect((await app.call('POST', {}, body)).status).toBe(401)
    await app.isAlive()
  })

  test('a body of 4 MiB, as the Inngest server may send, is read whole', async () => {
    const seen: number[] = []
    app.run = async ({ wabaId }) => void seen.push(wabaId.length)
    // The event is in the body twice.
    const length = 2 * 1024 * 1024
    expect(await app.executed({ wabaId: 'x'.repeat(length) })).toMatchObject({ outcome: 'done' })
    expect(seen).toEqual([length])
  })

  test('no header decides where Inngest finds us', async () => {
    const spoofed = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-inngest-signature': signCall(KEY, {}),
      'content-type': 'application/json',
    }
    const status = await new Promise((resolve, reject) => {
      const req = request(app.url, { method: 'PUT', headers: spoofed }, (res) =>
        resolve(res.resume().statusCode),
      )
      req.on('error', reject).end('{}')
    })
    expect(status).toBe(200)
    expect(api.registered).toEqual([`${SERVE_ORIGIN}/api/inngest`])
  })

  test('one address cannot occupy us with more than a hundred calls', async () => {
    let release = () => {}
    const blocked = new Promise<void>((resolve) => {
      release = resolve
    })
    let started = 0
    app.run = async () => {
      started += 1
      await blocked
    }
    const runs = Array.from({ length: 100 }, () => app.executed())
    await expect.poll(() => started).toBe(100)
    expect((await app.signed('GET')).status).toBe(429)
    release()
    await Promise.all(runs)
    await app.isAlive()
  })

  test('the start is refused without the keys, or with signatures switched off', () => {
    const env = {
      PUBLIC_URL: 'https://wa.example.org',
      DATABASE_URL: 'postgres://db:5432/wa_mcp',
      SECRETS_DIR: '/nonexistent',
      INNGEST_BASE_URL: 'http://inngest:8288',
      WA_APP_SECRET: 'x1'.repeat(16),
      WA_WEBHOOK_VERIFY_TOKEN: 'x2'.repeat(16),
      WA_DEFAULT_ACCESS_TOKEN: 'x3'.repeat(16),
      API_KEY_PEPPER: 'x4'.repeat(32),
      MEDIA_SIGNING_SECRET: 'x5'.repeat(32),
      POSTGRES_APP_PASSWORD: 'x6'.repeat(24),
    }
    const keys = { INNGEST_SIGNING_KEY: KEY, INNGEST_EVENT_KEY: EVENT_KEY }
    expect(() => loadAppConfig(env)).toThrow(/inngest_signing_key and inngest_event_key/)
    expect(() => loadAppConfig({ ...env, INNGEST_SIGNING_KEY: KEY })).toThrow(/inngest_event_key/)
    expect(() => loadAppConfig({ ...env, ...keys, INNGEST_DEV: '1' })).toThrow(/INNGEST_DEV/)
    const config = loadAppConfig({ ...env, ...keys })
    expect(config.inngest?.serveOrigin.href).toBe('https://wa.example.org/')
    const inner = loadAppConfig({ ...env, ...keys, INNGEST_SERVE_ORIGIN: 'http://app:3000' })
    expect(inner.inngest?.serveOrigin.href).toBe('http://app:3000/')
  })
})
