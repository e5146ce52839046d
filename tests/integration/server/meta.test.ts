import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { createGraph } from '../../../server/meta/client.ts'
import type { Graph, MetaError } from '../../../server/meta/graph.ts'
import type { PhoneNumber } from '../../../server/numbers/numbers.ts'
import type { Behaviour } from '../../fakes/graph/behaviour.ts'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'

const TOKEN = 'a-token-that-must-never-show'
const number = {
  waId: '200000000000002',
  wabaId: '100000000000001',
  tokenRef: 'secrets://wa_default_access_token',
} as PhoneNumber
const TEXT = { to: '+15550002222', type: 'text', text: { body: 'hi' } }

let fake: FakeGraph

beforeAll(async () => {
  fake = await startFakeGraph({ tokens: [TOKEN], numbers: { [number.waId]: number.wabaId } })
})
afterEach(() => fake.behave(undefined))
afterAll(() => fake?.stop())

function client(
  o: { baseUrl?: URL; version?: string; token?: string | null; timeoutMs?: number } = {},
): Graph {
  const token = o.token === undefined ? TOKEN : o.token
  return createGraph({
    baseUrl: o.baseUrl ?? fake.url,
    version: o.version ?? 'v26.0',
    tokenOf: () => (token === null ? undefined : new Secret(token)),
    timeoutMs: o.timeoutMs,
  })
}

async function errorOf(call: Promise<unknown>): Promise<MetaError> {
  const error = await call.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  )
  const { message, stack, cause } = error as Error
  expect(`${message} ${stack} ${String(cause)} ${JSON.stringify(error)}`).not.toContain(TOKEN)
  return error as MetaError
}

test('a send carries version, number, token and product, and yields what Meta knows of the person', async () => {
  const receipt = await client().send(number, TEXT)
  expect(receipt).toEqual({
    wamid: fake.sent.at(-1)?.wamid,
    messageStatus: null,
    waId: '15550002222',
    bsuid: expect.stringMatching(/^US\.\d+$/),
  })
  expect(fake.requests.at(-1)).toMatchObject({
    method: 'POST',
    path: '/200000000000002/messages',
    token: TOKEN,
    body: { messaging_product: 'whatsapp', ...TEXT },
  })
})

describe('the fake refuses what Meta refuses', () => {
  test.each([
    ['another version', { version: 'v25.0' }, number, TEXT, 2500],
    ['a wrong token', { token: 'wrong' }, number, TEXT, 190],
    ['another number', {}, { ...number, waId: '299999999999999' }, TEXT, 33],
    ['a recipient without +', {}, number, { ...TEXT, to: '15550002222' }, 100],
    ['no text', {}, number, { ...TEXT, text: {} }, 131008],
    ['a long text', {}, number, { ...TEXT, text: { body: 'x'.repeat(4097) } }, 131009],
    ['an unknown type', {}, number, { to: TEXT.to, type: 'poll', poll: {} }, 100],
    ['an unknown key', {}, number, { ...TEXT, extra: 1 }, 100],
    ['an unknown file', {}, number, { to: TEXT.to, type: 'image', image: { id: '1' } }, 131009],
    [
      'a caption on audio',
      {},
      number,
      { to: TEXT.to, type: 'audio', audio: { link: 'https://e.org', caption: 'x' } },
      100,
    ],
    [
      'an unknown template',
      {},
      number,
      { to: TEXT.to, type: 'template', template: { name: 'x', language: { code: 'en' } } },
      132001,
    ],
  ])('%s', async (_, options, from, body, code) => {
    expect(await errorOf(client(options).send(from as PhoneNumber, body))).toMatchObject({ code })
  })
})

test.each<[string, Behaviour, Partial<MetaError>]>([
  [
    'a throttle',
    { error: 130429 },
    { code: 130429, httpStatus: 400, retryClass: 'retry', fbtraceId: 'A130429fake' },
  ],
  ['a 500 with a reason', { error: 131000 }, { code: 131000, httpStatus: 500, retryClass: 'retry' }],
  ['HTML with 502', 'html-502', { code: -1, httpStatus: 502, retryClass: 'ambiguous' }],
  ['HTML with 403', { status: 403, body: '<html>' }, { code: -1, httpStatus: 403, retryClass: 'operator' }],
  ['an empty 429', { status: 429, body: '' }, { code: -1, httpStatus: 429, retryClass: 'retry' }],
  ['a 408', { status: 408, body: '' }, { code: -1, retryClass: 'ambiguous' }],
  [
    '200 without a message id',
    { status: 200, body: '{}' },
    { code: -1, httpStatus: 200, retryClass: 'ambiguous' },
  ],
  ['200 that is not JSON', { status: 200, body: 'OK' }, { code: -1, retryClass: 'ambiguous' }],
  [
    'a redirect',
    { status: 302, body: '', headers: { location: 'https://example.org' } },
    { retryClass: 'ambiguous' },
  ],
  ['a reset before the body', 'reset-before-body', { code: -1, httpStatus: null, retryClass: 'ambiguous' }],
  ['a reset after the body', 'reset-after-body', { code: -1, httpStatus: null, retryClass: 'ambiguous' }],
  ['silence', 'hang', { code: -1, httpStatus: null, retryClass: 'ambiguous' }],
  ['silence after it was accepted', 'accept-then-hang', { code: -1, retryClass: 'ambiguous' }],
])('%s is told apart', async (_, behaviour, wanted) => {
  fake.behave(behaviour, 1)
  expect(await errorOf(client({ timeoutMs: 300 }).send(number, TEXT))).toMatchObject(wanted)
})

test.each(['refused', 'to a name nobody has'])('a connection %s means that nothing was sent', async (how) => {
  const gone = await startFakeGraph({ tokens: [] })
  const { url } = gone
  await gone.stop()
  const baseUrl = how === 'refused' ? url : new URL('http://graph.invalid')
  const error = await errorOf(client({ baseUrl }).send(number, TEXT))
  expect(error).toMatchObject({ retryClass: 'retry', code: -1 })
})

test('without a token nothing is asked', async () => {
  const before = fake.requests.length
  expect(await errorOf(client({ token: null }).send(number, TEXT))).toMatchObject({
    name: 'InvalidAccessTokenError',
    retryClass: 'operator',
  })
  expect(fake.requests).toHaveLength(before)
})

test('what a number is and may is asked', async () => {
  expect(await client().describeNumber(number)).toMatchObject({
    quality_rating: 'GREEN',
    status: 'CONNECTED',
  })
})

describe('a file', () => {
  const bytes = Buffer.from('a file')

  test('is located for its number only, and downloaded with the token', async () => {
    const { id } = fake.addMedia({ numberId: number.waId, bytes, mimeType: 'text/plain' })
    const found = await client().locateMedia(number, id)
    expect(found).toMatchObject({
      mimeType: 'text/plain',
      sizeBytes: bytes.length,
      sha256: expect.any(String),
    })
    const { body, mimeType } = await client().downloadMedia(number, found.url)
    expect([await text(body), mimeType]).toEqual(['a file', 'text/plain'])
    const stranger = { ...number, waId: '200000000000003' }
    expect(await errorOf(client().locateMedia(stranger, id))).toMatchObject({ code: 100 })
  })

  test('that is gone says so', async () => {
    expect(
      await errorOf(client().downloadMedia(number, new URL('/download/1', fake.url).href)),
    ).toMatchObject({
      httpStatus: 404,
      retryClass: 'fix',
    })
  })

  test.each([
    'https://example.org/file',
    'https://lookaside.fbsbx.com.example.org/file',
    'https://evilfbsbx.com/file',
    'http://lookaside.fbsbx.com/file',
    'https://lookaside.fbsbx.com:8443/file',
    'https://user@example.org/lookaside.fbsbx.com',
    'file:///etc/passwd',
    'nonsense',
  ])('at %s never sees the token', async (url) => {
    expect(await errorOf(client().downloadMedia(number, url))).toMatchObject({ retryClass: 'never' })
  })

  test('follows a redirect on its own host, and none to another', async () => {
    const { id } = fake.addMedia({ numberId: number.waId, bytes, mimeType: 'text/plain' })
    const away: string[] = []
    const elsewhere = createServer((request, response) => {
      away.push(request.headers.authorization ?? 'nothing')
      response.end('x')
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const { port } = elsewhere.address() as AddressInfo
    const start = new URL('/download/start', fake.url).href
    fake.behave({ status: 302, body: '', headers: { location: `/download/${id}` } }, 1)
    expect(await text((await client().downloadMedia(number, start)).body)).toBe('a file')
    fake.behave({ status: 302, body: '', headers: { location: `http://127.0.0.1:${port}/` } }, 1)
    expect(await errorOf(client().downloadMedia(number, start))).toMatchObject({ retryClass: 'never' })
    fake.behave({ status: 302, body: '', headers: { location: '/download/start' } })
    expect((await errorOf(client().downloadMedia(number, start))).message).toContain('more than 3')
    await new Promise((resolve) => elsewhere.close(resolve))
    expect(away).toEqual([])
  })
})
