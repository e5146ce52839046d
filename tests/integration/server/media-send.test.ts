import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LARGEST } from '../../../server/media/kinds.ts'
import { ogg, PDF, PNG, webp } from '../../unit/server/media-samples.ts'
import { addClient, addGrant, addNumber, type TestClient, type TestNumber } from './fixtures.ts'
import { base64, type Desk, startDesk } from './media-desk.ts'
import { ana, delivery, inbound, post } from './payloads.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())
beforeEach(() => desk.clear())

describe('S6.1 round trips', () => {
  test('S6.1 an image comes in by webhook and is seen; one goes out and is accepted', async () => {
    const { id } = desk.graph.addMedia({ numberId: desk.number.waId, bytes: PNG, mimeType: 'image/png' })
    const image = { id, mime_type: 'image/png', sha256: '', caption: 'look' }
    expect(
      (
        await post(
          desk.harness.origin,
          delivery(desk.number, { messages: [inbound(ana, 'image', image)], people: [ana] }),
        )
      ).status,
    ).toBe(200)
    const message = async () =>
      (
        await desk.harness.db.sql<
          { id: string; media: string | null; contact: string; status: string | null }[]
        >`
          select m.id, m.media_object_id as media, contact_id as contact, o.status
          from messages m left join media_objects o on o.id = m.media_object_id
          where m.message_type = 'image' and m.direction = 'inbound'`
      )[0]
    await expect.poll(async () => (await message())?.status, { timeout: 5_000 }).toBe('stored')
    const arrived = await message()

    const seen = await desk.call('get_media', { message_id: arrived?.id, mode: 'inline' })
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

    const sent = await desk.send({
      to: arrived?.contact,
      kind: 'image',
      source: { media_id: arrived?.media },
      caption: 'seen',
    })
    expect(sent.structuredContent).toMatchObject({
      state: 'accepted',
      wamid: expect.stringMatching(/^wamid\./),
    })
    const [upload] = [...desk.graph.media.values()].slice(-1)
    expect(desk.graph.sent).toMatchObject([
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
    const { structuredContent } = await desk.send({ kind, source, ...extra })
    expect(structuredContent).toMatchObject({ state: 'accepted' })
    expect(desk.graph.sent[0]?.body).toMatchObject({
      type: kind,
      [kind]: { id: expect.any(String), ...expected },
    })
  })
})

/** An approved template with a picture above its text. */
async function addTemplate(on: TestNumber, name: string): Promise<void> {
  const components = [
    { type: 'HEADER', format: 'IMAGE' },
    { type: 'BODY', text: 'Look at this.' },
  ]
  desk.graph.addTemplate({ wabaId: on.wabaId, name, components })
  await desk.harness.db.sql`
    insert into templates (wa_business_account_id, name, language, category, status, components)
    values (${on.wabaId}, ${name}, 'en_US', 'UTILITY', 'APPROVED', ${JSON.stringify(components)}::text::jsonb)`
}

test('a stored file can be the header of a template', async () => {
  await addTemplate(desk.number, 'picture')
  const stored = await desk.send({ kind: 'image', source: base64(PNG) })
  const [message] = await desk.harness.db.sql<{ file: string }[]>`
    select media_object_id as file from messages where id = ${String(stored.structuredContent.message_id)}`
  const { structuredContent } = await desk.call('send_template', {
    ...{ to: desk.conversation, name: 'picture', language: 'en_US', wait_s: 10 },
    header_media: { kind: 'image', media_id: message?.file },
  })
  expect(structuredContent).toMatchObject({ state: 'accepted' })
  expect(desk.graph.sent[1]?.body).toMatchObject({
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
    const before = await desk.rows()
    const result = await desk.send(args)
    expect(result.isError).toBe(true)
    expect(result.structuredContent.error).toMatchObject({ code, hint: expect.stringMatching(/./) })
    expect(await desk.rows()).toEqual(before)
    expect([desk.uploads(), desk.graph.sent]).toEqual([[], []])
    expect(await readdir(join(desk.harness.config.mediaRoot, '.tmp')).catch(() => [])).toEqual([])
  })

  test('S6.2 the file of another client, or of a number one may only send from, cannot be passed on', async () => {
    const { sql } = desk.harness.db
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
          const result = await desk.send({
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
    await addGrant(sql, desk.client, shared, { verbs: ['send'] })
    await expect.poll(refusal).toEqual(['not_found', 'not_found'])
    await addTemplate(shared, 'stolen')
    const template = await desk.call('send_template', {
      ...{ to: '+15550007777', phone_number_id: shared.waId, name: 'stolen', language: 'en_US' },
      header_media: { kind: 'image', media_id: received },
    })
    expect(template.structuredContent.error?.code).toBe('not_found')
    expect(desk.graph.sent).toEqual([])
    await sql`update client_phone_grants set verbs = '{read,send}' where client_id = ${desk.client.id} and phone_number_id = ${shared.id}`
    await expect.poll(async () => (await refusal())[1]).toBe('not_found')
  })
})

test('the same call again sends nothing again, and the same file is stored and uploaded once', async () => {
  const bytes = Buffer.concat([PDF, randomBytes(8)])
  const args = { kind: 'document', source: base64(bytes), filename: 'a.pdf', idempotency_key: 'once' }
  const before = (await desk.rows()).length
  const [first, second] = [await desk.send(args), await desk.send(args)]
  expect(second.structuredContent.message_id).toBe(first.structuredContent.message_id)
  const third = await desk.send({ ...args, idempotency_key: 'another' })
  expect(third.structuredContent.message_id).not.toBe(first.structuredContent.message_id)
  expect([desk.graph.sent.length, desk.uploads().length, (await desk.rows()).length - before]).toEqual([
    2, 1, 1,
  ])
})

test('a dry run looks at the file and keeps nothing', async () => {
  const before = await desk.rows()
  const good = await desk.send({ kind: 'image', source: base64(PNG), dry_run: true })
  expect(good.structuredContent).toMatchObject({ message_id: null, state: 'dry_run' })
  const bad = await desk.send({ kind: 'image', source: base64(PDF), dry_run: true })
  expect(bad.structuredContent.error).toMatchObject({ code: 'media_type_unsupported' })
  expect([await desk.rows(), desk.uploads(), desk.graph.sent]).toEqual([before, [], []])
})
