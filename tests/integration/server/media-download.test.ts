import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { emit } from '../../../server/jobs/emit.ts'
import { createLogger } from '../../../server/log.ts'
import { LARGEST } from '../../../server/media/kinds.ts'
import { removeOldMedia } from '../../../server/media/retention.ts'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'
import { PDF, PNG } from '../../unit/server/media-samples.ts'
import { addClient, addContact, addInbound, addNumber, type TestClient, type TestNumber } from './fixtures.ts'
import { type Harness, SECRETS, startHarness } from './harness.ts'

let harness: Harness
let graph: FakeGraph
let client: TestClient
let number: TestNumber

beforeAll(async () => {
  graph = await startFakeGraph({ tokens: [SECRETS.accessToken.reveal()] })
  harness = await startHarness(() => ({ graphUrl: graph.url }))
  client = await addClient(harness.db.sql, 'anna')
  number = await addNumber(harness.db.sql, client)
  graph.numbers.set(number.waId, number.wabaId)
})
afterAll(async () => {
  await harness?.stop()
  await graph?.stop()
})
beforeEach(() => {
  graph.behave(undefined)
  graph.requests.length = 0
})

/** An inbound file as ingestion leaves it: a row that waits, and the event. */
async function arrive(
  o: { kind?: string; type?: string; bytes?: Buffer; waMediaId?: string; age?: string; on?: TestNumber } = {},
) {
  const { kind = 'image', type = 'image/png', bytes = PNG, on = number } = o
  const { sql } = harness.db
  const message = await addInbound(sql, on, client, await addContact(sql, on), { type: kind })
  const waMediaId = o.waMediaId ?? graph.addMedia({ numberId: on.waId, bytes, mimeType: type }).id
  const [row] = await sql<{ id: string }[]>`
    insert into media_objects (phone_number_id, client_id, direction, kind, wamid, wa_media_id, mime_type, created_at)
    values (${on.id}, ${client.id}, 'inbound', ${kind}, ${message.wamid}, ${waMediaId}, ${type},
      now() - ${o.age ?? '0 s'}::text::interval) returning id`
  const mediaId = row?.id ?? ''
  await request(mediaId)
  return { mediaId, messageId: message.id, waMediaId }
}

const request = (mediaId: string) =>
  emit(harness.db.sql, 'wa/media.download.requested', { mediaId }, { key: number.id })

async function stored(mediaId: string) {
  const [row] = await harness.db.sql<
    {
      status: string
      error: string | null
      type: string
      size: string
      sha256: Buffer
      place: string
      metadata: Record<string, unknown>
    }[]
  >`select status, error_code as error, mime_type as type, size_bytes as size, sha256, storage_path as place, metadata
    from media_objects where id = ${mediaId}`
  return row
}
const becomes = (mediaId: string, status: string, timeout = 5_000) =>
  expect.poll(async () => (await stored(mediaId))?.status, { timeout, interval: 20 }).toBe(status)
const outboxOf = async (mediaId: string) =>
  await harness.db.sql<{ state: string; error: string | null }[]>`
    select state, last_error as error from outbox where data->>'mediaId' = ${mediaId} order by id`
const allFiles = async () =>
  (await readdir(harness.config.mediaRoot, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)

test('D6.1 an inbound file is stored under number, year and month, 0640, with its size and hash, and its message knows it', async () => {
  const { mediaId, messageId } = await arrive()
  await becomes(mediaId, 'stored')
  const row = await stored(mediaId)
  const [year, month] = new Date().toISOString().split('-')
  expect(row).toMatchObject({
    place: `${number.waId}/${year}/${month}/${mediaId}.png`,
    type: 'image/png',
    size: String(PNG.length),
    sha256: createHash('sha256').update(PNG).digest(),
    metadata: {},
  })
  const path = join(harness.config.mediaRoot, row?.place ?? '')
  expect(await readFile(path)).toEqual(PNG)
  expect((await stat(path)).mode & 0o777).toBe(0o640)
  const [message] = await harness.db.sql`select media_object_id as id from messages where id = ${messageId}`
  expect(message).toEqual({ id: mediaId })
})

test('D6.2 a file larger than its kind may be is broken off, and nothing of it stays', async () => {
  const before = await allFiles()
  const bytes = Buffer.concat([PNG, Buffer.alloc(LARGEST.sticker)])
  const { id } = graph.addMedia({ numberId: number.waId, bytes, mimeType: 'image/webp' })
  // Only the stream can tell: what is announced is small.
  const url = new URL(`/download/${id}`, graph.url).href
  const lie = JSON.stringify({ url, mime_type: 'image/webp', sha256: '', file_size: 10, id })
  graph.behave(({ path }) => (path === `/${id}` ? { status: 200, body: lie } : undefined))
  const { mediaId } = await arrive({ kind: 'sticker', type: 'image/webp', waMediaId: id })
  await becomes(mediaId, 'failed')
  expect(await stored(mediaId)).toMatchObject({ error: 'too_large', place: null })
  expect(await allFiles()).toEqual(before)
  await expect.poll(() => outboxOf(mediaId)).toMatchObject([{ state: 'dead' }])
})

test('D6.2 a file that is announced as too large is not even asked for', async () => {
  const { mediaId } = await arrive({ kind: 'sticker', bytes: Buffer.alloc(LARGEST.sticker + 1) })
  await becomes(mediaId, 'failed')
  expect(graph.requests.filter(({ path }) => path.startsWith('/download/'))).toEqual([])
})

test('D6.3 a file that is not what it was called is flagged, and stored as what it is', async () => {
  const { mediaId } = await arrive({ type: 'image/jpeg', bytes: PDF })
  await becomes(mediaId, 'stored')
  expect(await stored(mediaId)).toMatchObject({
    type: 'application/pdf',
    metadata: { mime_mismatch: true, claimed_mime_type: 'image/jpeg' },
    place: expect.stringMatching(/\.pdf$/),
  })
})

test('D6.4 the same download again asks Meta nothing and changes nothing', async () => {
  const { mediaId } = await arrive()
  await becomes(mediaId, 'stored')
  const path = join(harness.config.mediaRoot, (await stored(mediaId))?.place ?? '')
  await utimes(path, 1, 1)
  const before = [await stored(mediaId), (await stat(path)).mtimeMs, graph.requests.length]
  await request(mediaId)
  await expect.poll(() => outboxOf(mediaId)).toMatchObject([{ state: 'done' }, { state: 'done' }])
  expect([await stored(mediaId), (await stat(path)).mtimeMs, graph.requests.length]).toEqual(before)
})

test('a link of Meta’s that has expired is asked for again', async () => {
  let failures = 1
  graph.behave(({ path }) =>
    path.startsWith('/download/') && failures-- > 0 ? { status: 404, body: '' } : undefined,
  )
  const { mediaId, waMediaId } = await arrive()
  await becomes(mediaId, 'stored')
  const asked = graph.requests.map(({ path }) => path)
  expect(asked).toEqual([
    `/${waMediaId}`,
    `/download/${waMediaId}`,
    `/${waMediaId}`,
    `/download/${waMediaId}`,
  ])
})

test.each([
  ['Meta stumbles', { error: 131000 }],
  ['the connection breaks', 'reset-after-body'],
  ['a proxy answers', 'html-502'],
  ['the token is refused for now', { error: 190 }],
] as const)('when %s, the file is fetched later', async (_, behaviour) => {
  graph.behave(behaviour, 1)
  const { mediaId } = await arrive()
  await expect.poll(() => outboxOf(mediaId)).toMatchObject([{ state: 'ready', error: expect.any(String) }])
  await harness.db.sql`update outbox set run_after = now() where data->>'mediaId' = ${mediaId}`
  await harness.db.sql`select pg_notify('outbox', '')`
  await becomes(mediaId, 'stored')
})

test('an id that Meta no longer knows, or never did for this number, is given up at once', async () => {
  const other = await addNumber(harness.db.sql, client)
  graph.numbers.set(other.waId, other.wabaId)
  const foreign = graph.addMedia({ numberId: other.waId, bytes: PNG, mimeType: 'image/png' })
  for (const waMediaId of ['999999999999999', foreign.id]) {
    const { mediaId } = await arrive({ waMediaId })
    await becomes(mediaId, 'failed')
    expect(await stored(mediaId)).toMatchObject({ error: 'gone' })
    await expect.poll(() => outboxOf(mediaId)).toMatchObject([{ state: 'dead' }])
  }
})

test('after seven days Meta is not asked any more', async () => {
  const { mediaId } = await arrive({ age: '8 days' })
  await becomes(mediaId, 'failed')
  expect(await stored(mediaId)).toMatchObject({ error: 'expired' })
  expect(graph.requests).toEqual([])
})

test('old files are removed, their rows stay and say so', async () => {
  const [old, young] = [await arrive({ age: '3 days' }), await arrive()]
  for (const { mediaId } of [old, young]) await becomes(mediaId, 'stored')
  const place = (await stored(old.mediaId))?.place ?? ''
  const options = {
    sql: harness.db.sql,
    root: harness.config.mediaRoot,
    days: 2,
    log: createLogger('silent'),
  }
  expect(await removeOldMedia(options)).toBe(1)
  expect(await removeOldMedia(options)).toBe(0)
  expect(await stored(old.mediaId)).toMatchObject({ status: 'deleted', place: null })
  expect(await stored(young.mediaId)).toMatchObject({ status: 'stored' })
  await expect(stat(join(harness.config.mediaRoot, place))).rejects.toThrow('ENOENT')
})

test('a hash Meta announced differently is logged, and the file is kept', async () => {
  const { id } = graph.addMedia({
    numberId: number.waId,
    bytes: PNG,
    mimeType: 'image/png',
    sha256: 'ab'.repeat(32),
  })
  const { mediaId } = await arrive({ waMediaId: id })
  await becomes(mediaId, 'stored')
  const warned = harness.logs.filter(({ msg }) => msg === 'media_hash_differs')
  expect(warned).toMatchObject([{ mediaId }])
})

test('no log line holds what was in a file, or the token it was fetched with', async () => {
  const canary = `canary-${randomBytes(8).toString('hex')}`
  const { mediaId } = await arrive({ kind: 'document', type: 'text/plain', bytes: Buffer.from(canary) })
  await becomes(mediaId, 'stored')
  const logs = JSON.stringify(harness.logs)
  expect(logs).not.toContain(canary)
  expect(logs).not.toContain(SECRETS.accessToken.reveal())
})
