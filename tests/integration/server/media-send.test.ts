import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Listener } from '../../../server/db/listener.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createLogger } from '../../../server/log.ts'
import { MediaFiles } from '../../../server/media/files.ts'
import { LARGEST } from '../../../server/media/kinds.ts'
import type { MediaSource, StoreRequest } from '../../../server/media/media.ts'
import { createSourceReader } from '../../../server/media/source.ts'
import { OutboundFiles } from '../../../server/media/store.ts'
import { Numbers } from '../../../server/numbers/numbers.ts'
import { Vault } from '../../../server/numbers/vault.ts'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'
import { ogg, PDF, PNG, webp } from '../../unit/server/media-samples.ts'
import {
  addClient,
  addContact,
  addGrant,
  addKey,
  addNumber,
  type TestClient,
  type TestNumber,
} from './fixtures.ts'
import { type Harness, rpc, SECRETS, startHarness } from './harness.ts'
import { ana, delivery, inbound, post } from './payloads.ts'

let harness: Harness
let graph: FakeGraph
let client: TestClient
let number: TestNumber
let token: string
let conversation: string

beforeAll(async () => {
  graph = await startFakeGraph({ tokens: [SECRETS.accessToken.reveal()] })
  harness = await startHarness(() => ({ graphUrl: graph.url }))
  const { sql } = harness.db
  client = await addClient(sql, 'anna')
  number = await addNumber(sql, client)
  graph.numbers.set(number.waId, number.wabaId)
  await addGrant(sql, client, number)
  token = (await addKey(sql, client, harness.config.pepper)).token
  conversation = await addContact(sql, number)
})
afterAll(async () => {
  await harness?.stop()
  await graph?.stop()
})
beforeEach(() => {
  graph.behave(undefined)
  graph.requests.length = 0
  graph.sent.length = 0
})

interface Result {
  readonly isError?: boolean
  readonly structuredContent: Record<string, unknown> & { error?: { code: string; hint: string } }
  readonly content: readonly { type: string; data?: string; mimeType?: string }[]
}

async function call(name: string, args: Record<string, unknown>, key = token): Promise<Result> {
  const response = await rpc(harness.origin, key, {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name, arguments: args },
  })
  return ((await response.json()) as { result: Result }).result
}
const send = (args: Record<string, unknown>, key = token) =>
  call(
    'send_media',
    { to: conversation, wait_s: 10, idempotency_key: randomBytes(8).toString('hex'), ...args },
    key,
  )
const base64 = (bytes: Buffer): MediaSource => ({ base64: bytes.toString('base64') })
const uploads = () =>
  graph.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/media'))
const rows = async () =>
  await harness.db.sql<
    { id: string }[]
  >`select id from media_objects where client_id = ${client.id} and direction = 'outbound'`

describe('S6.1 round trips', () => {
  test('S6.1 an image comes in by webhook and is seen; one goes out and is accepted', async () => {
    const { id } = graph.addMedia({ numberId: number.waId, bytes: PNG, mimeType: 'image/png' })
    const image = { id, mime_type: 'image/png', sha256: '', caption: 'look' }
    expect(
      (
        await post(
          harness.origin,
          delivery(number, { messages: [inbound(ana, 'image', image)], people: [ana] }),
        )
      ).status,
    ).toBe(200)
    const message = async () =>
      (
        await harness.db.sql<{ id: string; media: string | null; contact: string; status: string | null }[]>`
          select m.id, m.media_object_id as media, contact_id as contact, o.status
          from messages m left join media_objects o on o.id = m.media_object_id
          where m.message_type = 'image' and m.direction = 'inbound'`
      )[0]
    await expect.poll(async () => (await message())?.status, { timeout: 5_000 }).toBe('stored')
    const arrived = await message()

    const seen = await call('get_media', { message_id: arrived?.id, mode: 'inline' })
    expect(seen.structuredContent).toMatchObject({
      media_id: arrived?.media,
      message_id: arrived?.id,
      kind: 'image',
      state: 'stored',
    })
    expect(seen.content.at(-1)).toEqual({
      type: 'image',
      data: PNG.toString('base64'),
      mimeType: 'image/png',
    })

    const sent = await send({
      to: arrived?.contact,
      kind: 'image',
      source: { media_id: arrived?.media },
      caption: 'seen',
    })
    expect(sent.structuredContent).toMatchObject({
      state: 'accepted',
      wamid: expect.stringMatching(/^wamid\./),
    })
    const [upload] = [...graph.media.values()].slice(-1)
    expect(graph.sent).toMatchObject([
      { body: { type: 'image', image: { id: upload?.id, caption: 'seen' } } },
    ])
    expect(Buffer.from(upload?.bytes ?? [])).toEqual(PNG)
  })

  test.each([
    [
      'document',
      base64(PDF),
      { filename: 'price list.pdf', caption: 'prices' },
      { filename: 'price list.pdf', caption: 'prices' },
    ],
    ['document', base64(Buffer.from('just text\n')), { filename: '../../notes' }, { filename: 'notes.txt' }],
    ['audio', base64(ogg(1)), { voice: true }, { voice: true }],
    ['sticker', base64(webp({ animated: true, size: 200 * 1024 })), {}, {}],
  ])('a %s goes out by its bytes', async (kind, source, extra, expected) => {
    const { structuredContent } = await send({ kind, source, ...extra })
    expect(structuredContent).toMatchObject({ state: 'accepted' })
    expect(graph.sent[0]?.body).toMatchObject({ type: kind, [kind]: { id: expect.any(String), ...expected } })
  })
})

/** An approved template with a picture above its text. */
async function addTemplate(on: TestNumber, name: string): Promise<void> {
  const components = [
    { type: 'HEADER', format: 'IMAGE' },
    { type: 'BODY', text: 'Look at this.' },
  ]
  graph.addTemplate({ wabaId: on.wabaId, name, components })
  await harness.db.sql`
    insert into templates (wa_business_account_id, name, language, category, status, components)
    values (${on.wabaId}, ${name}, 'en_US', 'UTILITY', 'APPROVED', ${JSON.stringify(components)}::text::jsonb)`
}

test('a stored file can be the header of a template', async () => {
  await addTemplate(number, 'picture')
  const stored = await send({ kind: 'image', source: base64(PNG) })
  const [message] = await harness.db.sql<{ file: string }[]>`
    select media_object_id as file from messages where id = ${String(stored.structuredContent.message_id)}`
  const { structuredContent } = await call('send_template', {
    ...{ to: conversation, name: 'picture', language: 'en_US', wait_s: 10 },
    header_media: { kind: 'image', media_id: message?.file },
  })
  expect(structuredContent).toMatchObject({ state: 'accepted' })
  expect(graph.sent[1]?.body).toMatchObject({
    template: {
      components: [{ type: 'header', parameters: [{ type: 'image', image: { id: expect.any(String) } }] }],
    },
  })
})

describe('what is refused before anything is sent', () => {
  const image = (bytes: Buffer) => ({ kind: 'image', source: base64(bytes) })
  test.each<[string, Record<string, unknown>, string]>([
    ['a PDF as image', image(PDF), 'media_type_unsupported'],
    ['no source', { kind: 'image', source: {} }, 'invalid_input'],
    [
      'two sources',
      { kind: 'image', source: { ...base64(PNG), url: 'https://example.org/' } },
      'invalid_input',
    ],
    [
      'a data: URL',
      { kind: 'image', source: { base64: `data:image/png;base64,${PNG.toString('base64')}` } },
      'invalid_input',
    ],
    ['base64 cut short', { kind: 'image', source: { base64: 'abc' } }, 'invalid_input'],
    ['nothing', image(Buffer.alloc(0)), 'media_type_unsupported'],
    [
      'a sticker that is too large',
      { kind: 'sticker', source: base64(webp({ animated: true, size: LARGEST.sticker + 1 })) },
      'media_too_large',
    ],
    ['a caption on audio', { kind: 'audio', source: base64(ogg(1)), caption: 'x' }, 'invalid_input'],
    ['an image as voice note', { ...image(PNG), voice: true }, 'invalid_input'],
    ['plain http', { kind: 'image', source: { url: 'http://example.org/a.png' } }, 'media_source_refused'],
    ['this machine', { kind: 'image', source: { url: 'https://127.0.0.1/a.png' } }, 'media_source_refused'],
    [
      'the metadata service',
      { kind: 'image', source: { url: 'https://169.254.169.254/latest/' } },
      'media_source_refused',
    ],
    [
      'a file of nobody',
      { kind: 'image', source: { media_id: '019e0000-0000-7000-8000-000000000000' } },
      'not_found',
    ],
  ])('%s', async (_, args, code) => {
    const before = await rows()
    const result = await send(args)
    expect(result.isError).toBe(true)
    expect(result.structuredContent.error).toMatchObject({ code, hint: expect.stringMatching(/./) })
    expect(await rows()).toEqual(before)
    expect([uploads(), graph.sent]).toEqual([[], []])
    expect(await readdir(join(harness.config.mediaRoot, '.tmp')).catch(() => [])).toEqual([])
  })

  test('S6.2 the file of another client, or of a number one may only send from, cannot be passed on', async () => {
    const { sql } = harness.db
    const ben = await addClient(sql, 'ben')
    const shared = await addNumber(sql, ben)
    await addGrant(sql, ben, shared)
    const add = async (direction: string, by: TestClient) =>
      (
        await sql<{ id: string }[]>`
          insert into media_objects (phone_number_id, client_id, direction, kind, wamid, status, mime_type, storage_path)
          select ${shared.id}, ${by.id}, ${direction}, 'image', gen_random_uuid(), 'stored', mime_type, storage_path
          from media_objects where status = 'stored' and kind = 'image' limit 1 returning id`
      )[0]?.id
    const [received, sent] = [await add('inbound', ben), await add('outbound', ben)]
    const refusal = async () =>
      await Promise.all(
        [received, sent].map(async (id) => {
          const result = await send({
            kind: 'image',
            source: { media_id: id },
            to: '+15550007777',
            phone_number_id: shared.waId,
          })
          return result.structuredContent.error?.code
        }),
      )
    // Without a grant the number itself does not exist for her.
    expect(await refusal()).toHaveLength(2)
    await addGrant(sql, client, shared, { verbs: ['send'] })
    await expect.poll(refusal).toEqual(['not_found', 'not_found'])
    await addTemplate(shared, 'stolen')
    const template = await call('send_template', {
      ...{ to: '+15550007777', phone_number_id: shared.waId, name: 'stolen', language: 'en_US' },
      header_media: { kind: 'image', media_id: received },
    })
    expect(template.structuredContent.error?.code).toBe('not_found')
    expect(graph.sent).toEqual([])
    await sql`update client_phone_grants set verbs = '{read,send}' where client_id = ${client.id} and phone_number_id = ${shared.id}`
    await expect.poll(async () => (await refusal())[1]).toBe('not_found')
  })
})

test('the same call again sends nothing again, and the same file is stored and uploaded once', async () => {
  const bytes = Buffer.concat([PDF, randomBytes(8)])
  const args = { kind: 'document', source: base64(bytes), filename: 'a.pdf', idempotency_key: 'once' }
  const before = (await rows()).length
  const [first, second] = [await send(args), await send(args)]
  expect(second.structuredContent.message_id).toBe(first.structuredContent.message_id)
  const third = await send({ ...args, idempotency_key: 'another' })
  expect(third.structuredContent.message_id).not.toBe(first.structuredContent.message_id)
  expect([graph.sent.length, uploads().length, (await rows()).length - before]).toEqual([2, 1, 1])
})

test('an upload Meta has forgotten is made again', async () => {
  const args = { kind: 'document', source: base64(Buffer.concat([PDF, randomBytes(8)])), filename: 'a.pdf' }
  await send(args)
  await harness.db
    .sql`update media_objects set wa_media_expires_at = now() where wa_media_expires_at is not null`
  expect((await send(args)).structuredContent).toMatchObject({ state: 'accepted' })
  expect(uploads()).toHaveLength(2)
})

test('a dry run looks at the file and keeps nothing', async () => {
  const before = await rows()
  const good = await send({ kind: 'image', source: base64(PNG), dry_run: true })
  expect(good.structuredContent).toMatchObject({ message_id: null, state: 'dry_run' })
  const bad = await send({ kind: 'image', source: base64(PDF), dry_run: true })
  expect(bad.structuredContent.error).toMatchObject({ code: 'media_type_unsupported' })
  expect([await rows(), uploads(), graph.sent]).toEqual([before, [], []])
})

describe('when the upload goes wrong', () => {
  const args = () => ({
    kind: 'document',
    source: base64(Buffer.concat([PDF, randomBytes(8)])),
    filename: 'a.pdf',
    wait_s: 0,
  })
  const state = async (id: unknown) =>
    (await harness.db.sql`select status, error_code as code from messages where id = ${String(id)}`)[0]
  const outbox = async (id: unknown) =>
    await harness.db.sql`select name, state from outbox where data->>'messageId' = ${String(id)} order by id`
  const hurry = async (id: unknown) => {
    await harness.db
      .sql`update outbox set run_after = now() where data->>'messageId' = ${String(id)} and state = 'ready'`
    await harness.db.sql`select pg_notify('outbox', '')`
  }

  test('Meta’s clear no fails the message, with the reason', async () => {
    graph.behave({ error: 131053 }, 1)
    const result = await send({ ...args(), wait_s: 10 })
    expect(result.structuredContent.error).toMatchObject({ code: 'meta_131053', category: 'media' })
    expect(graph.sent).toEqual([])
  })

  test.each(['reset-after-body', 'html-502', { error: 130429 }] as const)(
    '%j is tried again, and one message goes out',
    async (fault) => {
      graph.behave(fault, 1)
      const { structuredContent } = await send(args())
      const id = structuredContent.message_id
      await expect
        .poll(() => harness.db.sql`select last_error from outbox where data->>'messageId' = ${String(id)}`)
        .toMatchObject([{ last_error: expect.any(String) }])
      await hurry(id)
      await expect.poll(() => state(id), { timeout: 5_000 }).toMatchObject({ status: 'accepted' })
      expect(graph.sent).toHaveLength(1)
    },
  )

  test('the job run twice sends once', async () => {
    const { structuredContent } = await send({ ...args(), wait_s: 10 })
    const id = String(structuredContent.message_id)
    await harness.db.sql`update messages set status = 'queued' where id = ${id}`
    await harness.db
      .sql`update outbox set state = 'ready', run_after = now() where data->>'messageId' = ${id} and name like '%upload%'`
    await harness.db.sql`select pg_notify('outbox', '')`
    await expect
      .poll(() => outbox(id))
      .toEqual([
        { name: 'wa/media.upload.requested', state: 'done' },
        { name: 'wa/message.send.requested', state: 'done' },
      ])
    expect([graph.sent.length, uploads().length]).toEqual([1, 1])
  })

  test('a refused token pauses the number, and the message waits for the operator', async () => {
    const lonely = await addNumber(harness.db.sql, client)
    graph.numbers.set(lonely.waId, lonely.wabaId)
    await addGrant(harness.db.sql, client, lonely)
    const to = await addContact(harness.db.sql, lonely)
    graph.behave({ error: 190 }, 1)
    const { structuredContent } = await send({ ...args(), to, phone_number_id: lonely.waId })
    const id = structuredContent.message_id
    const paused = async () =>
      (
        await harness.db.sql<
          { paused: boolean }[]
        >`select paused_at is not null as paused from phone_numbers where id = ${lonely.id}`
      )[0]
    await expect.poll(paused).toEqual({ paused: true })
    expect(await state(id)).toMatchObject({ status: 'queued' })
    await expect
      .poll(() => outbox(id))
      .toMatchObject([{ state: 'done' }, { name: 'wa/media.upload.requested', state: 'ready' }])
    await harness.db.sql`update phone_numbers set paused_at = null where id = ${lonely.id}`
    await hurry(id)
    await expect.poll(() => state(id), { timeout: 5_000 }).toMatchObject({ status: 'accepted' })
  })
})

describe('files by URL', () => {
  let server: Server
  let sql: Database
  let listener: Listener
  let outbound: OutboundFiles
  let reply: { status?: number; headers?: Record<string, string>; bytes: Buffer }

  beforeAll(async () => {
    server = createServer((_, res) => res.writeHead(reply.status ?? 200, reply.headers).end(reply.bytes))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const database = {
      url: harness.config.databaseUrl,
      role: 'wa_app',
      password: harness.config.databasePassword,
    } as const
    sql = connect(database)
    listener = new Listener(database)
    const files = new MediaFiles(harness.config.mediaRoot)
    const read = createSourceReader({
      sql,
      files,
      log: createLogger('silent'),
      outside: {
        resolve: async () => ['127.0.0.1'],
        allows: (address) => address === '127.0.0.1',
        get: (options, signal) =>
          new Promise((resolve, reject) =>
            request({ ...options, signal }, resolve)
              .once('error', reject)
              .end(),
          ),
      },
    })
    const vault = new Vault(harness.secretsDir)
    outbound = new OutboundFiles({ sql, files, read, numbers: new Numbers({ sql, vault, listener }) })
  })
  afterAll(async () => {
    server?.close()
    await listener?.close()
    await sql?.end()
  })

  const store = (o: Partial<StoreRequest> & { path?: string } = {}) =>
    outbound.store({
      clientId: client.id,
      numberId: number.id,
      kind: 'image',
      source: { url: `https://open.test:${(server.address() as AddressInfo).port}/${o.path ?? 'a.png'}` },
      filename: undefined,
      readableNumberIds: [],
      signal: AbortSignal.timeout(5_000),
      ...o,
    })

  test('a file is fetched, whatever its server calls it', async () => {
    reply = { bytes: PNG, headers: { 'content-type': 'text/html' } }
    expect(await store()).toMatchObject({ mimeType: 'image/png', sizeBytes: PNG.length })
  })

  test('D6.2 one that is too large is broken off, announced or not', async () => {
    const bytes = Buffer.concat([PNG, Buffer.alloc(LARGEST.image)])
    reply = { bytes }
    await expect(store()).rejects.toMatchObject({ code: 'media_too_large' })
    reply = { bytes, headers: { 'transfer-encoding': 'chunked' } }
    await expect(store()).rejects.toMatchObject({ code: 'media_too_large' })
    expect(await readdir(join(harness.config.mediaRoot, '.tmp'))).toEqual([])
  })

  test('an error page is no file', async () => {
    reply = { bytes: PNG, status: 404 }
    await expect(store()).rejects.toMatchObject({ code: 'media_source_unreachable', retryable: true })
  })

  test('the same file stored at the same time is one row', async () => {
    reply = { bytes: Buffer.concat([PNG, randomBytes(8)]) }
    const ids = await Promise.all([store(), store(), store()].map(async (stored) => (await stored).id))
    expect(new Set(ids).size).toBe(1)
  })
})
