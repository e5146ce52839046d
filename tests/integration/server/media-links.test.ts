import { createHash, randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { signTicket } from '../../../server/media/signed-url.ts'
import { addClient, addGrant, addKey, addNumber, type TestClient, type TestNumber } from './fixtures.ts'
import { type Harness, rpc, SECRETS, startHarness } from './harness.ts'

const BYTES = Buffer.from('0123456789'.repeat(10))

let harness: Harness
/** May read `number`. */
let anna: TestClient
/** Has a number of his own. */
let ben: TestClient
let number: TestNumber
let foreign: TestNumber
let file: string

beforeAll(async () => {
  harness = await startHarness()
  const { sql } = harness.db
  anna = await addClient(sql, 'anna')
  ben = await addClient(sql, 'ben')
  number = await addNumber(sql, anna)
  foreign = await addNumber(sql, ben)
  await addGrant(sql, ben, foreign)
})
afterAll(() => harness?.stop())
beforeEach(async () => {
  const { sql } = harness.db
  await sql`delete from client_phone_grants where client_id = ${anna.id}`
  await addGrant(sql, anna, number, { verbs: ['read'] })
  file = await put()
  // What the test before did to the grants has been heard of.
  await settles(link(file), 200)
})

/** A stored file, as a download or an upload leaves it. */
async function put(
  o: {
    on?: TestNumber
    by?: TestClient
    direction?: 'inbound' | 'outbound'
    name?: string
    type?: string
    bytes?: Buffer
  } = {},
): Promise<string> {
  const {
    on = number,
    by = anna,
    direction = 'inbound',
    name = null,
    type = 'application/pdf',
    bytes = BYTES,
  } = o
  const id = randomUUID()
  const place = `${on.waId}/2026/11/${id}.pdf`
  const path = join(harness.config.mediaRoot, place)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
  await harness.db.sql`
    insert into media_objects (id, phone_number_id, client_id, direction, kind, wamid, wa_media_id, status, mime_type, filename,
      size_bytes, sha256, storage_path, stored_at)
    values (${id}, ${on.id}, ${by.id}, ${direction}, 'document', ${`wamid.${id}`}, '1', 'stored', ${type}, ${name},
      ${bytes.length}, ${createHash('sha256').update(bytes).digest()}, ${place}, now())`
  return id
}

const link = (mediaId: string, client = anna, secret = SECRETS.mediaSigning, now = Date.now()) =>
  `${harness.origin}/media/${signTicket(secret, { mediaId, clientId: client.id }, 600, now).token}`
const status = async (url: string) => (await fetch(url)).status
const settles = (url: string, wanted: number) => expect.poll(() => status(url), { interval: 10 }).toBe(wanted)
const get = (url: string, headers: Record<string, string>, method = 'GET') => fetch(url, { method, headers })

test('S6.2 a link shows the file to its client, as an attachment that nothing may run', async () => {
  const response = await fetch(link(await put({ name: 'Rechnung März.pdf' })))
  expect(response.status).toBe(200)
  expect(Buffer.from(await response.arrayBuffer())).toEqual(BYTES)
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'application/pdf',
    'content-length': '100',
    'content-disposition': `attachment; filename="Rechnung M_rz.pdf"; filename*=UTF-8''Rechnung%20M%C3%A4rz.pdf`,
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
    'cache-control': 'private, no-store',
    'accept-ranges': 'bytes',
  })
})

test('D6.5 a link that is tampered with, expired, or signed with another secret is 404', async () => {
  const good = link(file)
  expect(await status(good)).toBe(200)
  const at = good.length - 20
  const tampered = good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1)
  const other = new Secret('4f'.repeat(32))
  const expired = link(file, anna, SECRETS.mediaSigning, Date.now() - 601_000)
  for (const url of [tampered, expired, link(file, anna, other), `${good}A`, `${good}/`, good.slice(0, -1)]) {
    const response = await fetch(url)
    expect([response.status, await response.json()]).toEqual([404, { error: 'not_found' }])
  }
})

test('D6.5 S6.2 a client gets no file of a number it has no grant on, whatever is signed', async () => {
  const secret = await put({ on: foreign, by: ben })
  expect(await status(link(secret, ben))).toBe(200)
  expect(await status(link(secret, anna))).toBe(404)
  expect(await status(link(file, ben))).toBe(404)
  expect(await status(link(file, { id: randomUUID(), name: 'nobody' }))).toBe(404)
  expect(await status(link(randomUUID()))).toBe(404)
})

test('S6.2 a link dies with its grant, its client and its number', async () => {
  const { sql } = harness.db
  const url = link(file)
  expect(await status(url)).toBe(200)
  await sql`update client_phone_grants set revoked_at = now() where client_id = ${anna.id}`
  await settles(url, 404)
  await addGrant(sql, anna, number, { verbs: ['read'] })
  await settles(url, 200)
  await sql`update clients set disabled_at = now() where id = ${anna.id}`
  expect(await status(url)).toBe(404)
  await sql`update clients set disabled_at = null where id = ${anna.id}`
  await sql`update phone_numbers set disabled_at = now() where id = ${number.id}`
  await settles(url, 404)
  await sql`update phone_numbers set disabled_at = null where id = ${number.id}`
  await settles(url, 200)
})

test('S6.2 a grant without the verb or the tool opens no inbound file; what a client sent itself needs no right to read', async () => {
  const { sql } = harness.db
  const own = await put({ direction: 'outbound' })
  const others = await put({ direction: 'outbound', by: ben })
  expect([await status(link(own)), await status(link(others))]).toEqual([200, 404])
  await sql`update client_phone_grants set verbs = '{send}' where client_id = ${anna.id}`
  await settles(link(file), 404)
  expect(await status(link(own))).toBe(200)
  await sql`update client_phone_grants set verbs = '{read}', allowed_tools = '{ping}' where client_id = ${anna.id}`
  await settles(link(own), 404)
  expect(await status(link(file))).toBe(404)
})

test('a file that was removed is 404, also when only the file has gone', async () => {
  const { sql } = harness.db
  const [gone] = await sql<
    { place: string }[]
  >`select storage_path as place from media_objects where id = ${file}`
  await rm(join(harness.config.mediaRoot, gone?.place ?? ''))
  expect(await status(link(file))).toBe(404)
  const removed = await put()
  await sql`update media_objects set status = 'deleted' where id = ${removed}`
  expect(await status(link(removed))).toBe(404)
})

test('D6.7 a row that points out of the tree shows nothing', async () => {
  await writeFile(join(harness.config.mediaRoot, '..', 'outside.txt'), 'canary')
  await harness.db.sql`update media_objects set storage_path = '../outside.txt' where id = ${file}`
  const response = await fetch(link(file))
  expect(response.status).not.toBe(200)
  expect(await response.text()).not.toContain('canary')
})

test.each([
  ['bytes=10-19', 206, 'bytes 10-19/100', '0123456789'],
  ['bytes=95-', 206, 'bytes 95-99/100', '56789'],
  ['bytes=-3', 206, 'bytes 97-99/100', '789'],
  ['bytes=0-0', 206, 'bytes 0-0/100', '0'],
  ['bytes=90-500', 206, 'bytes 90-99/100', '0123456789'],
  ['bytes=100-', 416, 'bytes */100', '{"error":"range_not_satisfiable"}'],
  ['bytes=0-1,5-6', 200, null, BYTES.toString()],
  ['lines=1-2', 200, null, BYTES.toString()],
])('Range: %s is answered %i', async (range, code, contentRange, body) => {
  const response = await get(link(file), { range })
  expect([response.status, response.headers.get('content-range'), await response.text()]).toEqual([
    code,
    contentRange,
    body,
  ])
})

test('If-Range takes a part only of the same file', async () => {
  const etag = (await fetch(link(file), { method: 'HEAD' })).headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
  expect((await get(link(file), { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206)
  expect((await get(link(file), { range: 'bytes=0-1', 'if-range': '"other"' })).status).toBe(200)
})

test('HEAD says the same without the bytes', async () => {
  const [head, whole] = [await get(link(file), {}, 'HEAD'), await fetch(link(file))]
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '100', ''])
  expect(head.headers.get('content-type')).toBe(whole.headers.get('content-type'))
  expect((await get(link(file), { range: 'bytes=0-1' }, 'HEAD')).headers.get('content-length')).toBe('2')
  expect((await get(link(file), {}, 'POST')).status).toBe(405)
})

test('an empty file has no bytes and no part', async () => {
  const empty = await put({ bytes: Buffer.alloc(0) })
  expect([await status(link(empty)), (await get(link(empty), { range: 'bytes=0-' })).status]).toEqual([
    200, 416,
  ])
})

test('a stored type that could break a header becomes bytes', async () => {
  const odd = await put({ type: 'text/html\r\nx-evil: 1' })
  const { headers } = await fetch(link(odd))
  expect([headers.get('content-type'), headers.get('x-evil')]).toEqual(['application/octet-stream', null])
})

test('a reader that goes away in the middle harms nobody', async () => {
  const large = await put({ bytes: Buffer.alloc(8 * 1024 * 1024) })
  const abort = new AbortController()
  const response = await fetch(link(large), { signal: abort.signal })
  await response.body?.getReader().read()
  abort.abort()
  expect(await status(link(file))).toBe(200)
  expect(harness.logs.filter(({ msg }) => msg === 'media_broke_off')).toEqual([])
})

test('every read and every refusal of a signed link is audited, with the client', async () => {
  await fetch(link(file), { headers: { 'x-request-id': 'media-audit-0001' } })
  await fetch(link(file, ben), { headers: { 'x-request-id': 'media-audit-0002' } })
  const rows = await harness.db.sql`
    select request_id as rid, client_id as client, phone_number_id as number, outcome, detail from audit_log
    where action = 'media.read' and request_id like 'media-audit-%' order by request_id`
  expect(rows).toEqual([
    {
      rid: 'media-audit-0001',
      client: anna.id,
      number: number.waId,
      outcome: 'ok',
      detail: { media_id: file },
    },
    { rid: 'media-audit-0002', client: ben.id, number: null, outcome: 'refused', detail: { media_id: file } },
  ])
})

test('D6.8 whatever stands below /media/ is answered 404 and shows nothing', async () => {
  const canary = await put({ bytes: Buffer.from('canary') })
  const good = link(canary).split('/').at(-1) ?? ''
  const segment = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.webPath(),
    fc.uint8Array({ minLength: 68, maxLength: 68 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    fc
      .nat(good.length - 1)
      .map((at) => good.slice(0, at) + (good[at] === 'x' ? 'y' : 'x') + good.slice(at + 1)),
    fc.constantFrom('../health', '%2e%2e/%2e%2e/etc/passwd', `${good}%00`, `./${good}x`, canary),
  )
  await fc.assert(
    fc.asyncProperty(segment, async (made) => {
      const response = await fetch(`${harness.origin}/media/${encodeURIComponent(made)}`)
      expect(response.status).toBe(404)
      expect(await response.text()).not.toContain('canary')
    }),
    { numRuns: 150 },
  )
})

test('S6.2 get_media hands out links to clients that may read, and nothing to others', async () => {
  const call = async (client: TestClient, args: Record<string, unknown>) => {
    const { token } = await addKey(harness.db.sql, client, harness.config.pepper)
    const response = await rpc(harness.origin, token, {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'get_media', arguments: args },
    })
    return (
      (await response.json()) as { result: { isError?: boolean; structuredContent: Record<string, unknown> } }
    ).result
  }
  const { structuredContent } = await call(anna, { media_id: file })
  expect(structuredContent).toMatchObject({
    media_id: file,
    state: 'stored',
    mime_type: 'application/pdf',
    size_bytes: 100,
  })
  const url = new URL(String(structuredContent.url))
  expect(url.origin).toBe('https://wa.example.org')
  expect(await status(harness.origin + url.pathname)).toBe(200)
  const [refused, missing] = [
    await call(ben, { media_id: file }),
    await call(ben, { media_id: randomUUID() }),
  ]
  expect(refused.isError).toBe(true)
  expect(refused).toEqual(missing)
})
