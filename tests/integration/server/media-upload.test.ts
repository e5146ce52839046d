import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PDF } from '../../unit/server/media-samples.ts'
import { addContact, addGrant, addNumber } from './fixtures.ts'
import { base64, type Desk, startDesk } from './media-desk.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())
beforeEach(() => desk.clear())

test('an upload Meta has forgotten is made again', async () => {
  const args = { kind: 'document', source: base64(Buffer.concat([PDF, randomBytes(8)])), filename: 'a.pdf' }
  await desk.send(args)
  await desk.harness.db
    .sql`update media_objects set wa_media_expires_at = now() where wa_media_expires_at is not null`
  expect((await desk.send(args)).structuredContent).toMatchObject({ state: 'accepted' })
  expect(desk.uploads()).toHaveLength(2)
})

describe('when the upload goes wrong', () => {
  const args = () => ({
    kind: 'document',
    source: base64(Buffer.concat([PDF, randomBytes(8)])),
    filename: 'a.pdf',
    wait_s: 0,
  })
  const state = async (id: unknown) =>
    (await desk.harness.db.sql`select status, error_code as code from messages where id = ${String(id)}`)[0]
  const outbox = async (id: unknown) =>
    await desk.harness.db
      .sql`select name, state, last_error as error from outbox where data->>'messageId' = ${String(id)} order by id`
  const hurry = async (id: unknown) => {
    await desk.harness.db
      .sql`update outbox set run_after = now() where data->>'messageId' = ${String(id)} and state = 'ready'`
    await desk.harness.db.sql`select pg_notify('outbox', '')`
  }

  test('Meta’s clear no fails the message, with the reason', async () => {
    desk.graph.behave({ error: 131053 }, 1)
    const result = await desk.send({ ...args(), wait_s: 10 })
    expect(result.structuredContent.error).toMatchObject({ code: 'meta_131053', category: 'media' })
    expect(desk.graph.sent).toEqual([])
  })

  test.each(['reset-after-body', 'html-502', { error: 130429 }] as const)(
    '%j is tried again, and one message goes out',
    async (fault) => {
      desk.graph.behave(fault, 1)
      const { structuredContent } = await desk.send(args())
      const id = structuredContent.message_id
      await expect
        .poll(
          () => desk.harness.db.sql`select last_error from outbox where data->>'messageId' = ${String(id)}`,
        )
        .toMatchObject([{ last_error: expect.any(String) }])
      await hurry(id)
      await expect.poll(() => state(id), { timeout: 5_000 }).toMatchObject({ status: 'accepted' })
      expect(desk.graph.sent).toHaveLength(1)
    },
  )

  test('a message whose file was removed meanwhile fails', async () => {
    desk.graph.behave({ error: 131000 }, 1)
    const { structuredContent } = await desk.send(args())
    const id = structuredContent.message_id
    await desk.harness.db.sql`update media_objects set status = 'deleted', storage_path = null
      where id = (select media_object_id from messages where id = ${String(id)})`
    await expect.poll(async () => (await outbox(id))[0]).toMatchObject({ error: expect.any(String) })
    await hurry(id)
    await expect.poll(() => state(id)).toEqual({ status: 'failed', code: null })
    expect(desk.graph.sent).toEqual([])
  })

  test('the job run twice sends once', async () => {
    const { structuredContent } = await desk.send({ ...args(), wait_s: 10 })
    const id = String(structuredContent.message_id)
    await desk.harness.db.sql`update messages set status = 'queued' where id = ${id}`
    await desk.harness.db
      .sql`update outbox set state = 'ready', run_after = now() where data->>'messageId' = ${id} and name like '%upload%'`
    await desk.harness.db.sql`select pg_notify('outbox', '')`
    await expect
      .poll(() => outbox(id))
      .toEqual([
        { name: 'wa/media.upload.requested', state: 'done', error: null },
        { name: 'wa/message.send.requested', state: 'done', error: null },
      ])
    expect([desk.graph.sent.length, desk.uploads().length]).toEqual([1, 1])
  })

  test('a refused token pauses the number, and the message waits for the operator', async () => {
    const lonely = await addNumber(desk.harness.db.sql, desk.client)
    desk.graph.numbers.set(lonely.waId, lonely.wabaId)
    await addGrant(desk.harness.db.sql, desk.client, lonely)
    const to = await addContact(desk.harness.db.sql, lonely)
    const message = { ...args(), to, phone_number_id: lonely.waId }
    // The server hears of the grant by notice, so a moment later.
    await expect
      .poll(async () => (await desk.send({ ...message, dry_run: true })).isError ?? false)
      .toBe(false)
    desk.graph.behave(({ path }) => (path.startsWith(`/${lonely.waId}/`) ? { error: 190 } : undefined), 1)
    const { structuredContent } = await desk.send(message)
    const id = structuredContent.message_id
    const paused = async () =>
      (
        await desk.harness.db.sql<
          { paused: boolean }[]
        >`select paused_at is not null as paused from phone_numbers where id = ${lonely.id}`
      )[0]
    await expect.poll(paused).toEqual({ paused: true })
    expect(await state(id)).toMatchObject({ status: 'queued' })
    await expect
      .poll(() => outbox(id))
      .toMatchObject([{ state: 'done' }, { name: 'wa/media.upload.requested', state: 'ready' }])
    await desk.harness.db.sql`update phone_numbers set paused_at = null where id = ${lonely.id}`
    await hurry(id)
    await expect.poll(() => state(id), { timeout: 5_000 }).toMatchObject({ status: 'accepted' })
  })
})
