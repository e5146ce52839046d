import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOLD_PENDING } from '../../../scripts/restore/hold.ts'
import { runAdmin } from '../../../server/admin/cli.ts'
import { type Desk, messageRow, type Setup, startDesk } from './desk.ts'
import { delivery, post, status } from './payloads.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

const admin = (...args: string[]) =>
  runAdmin(args, () => ({ ...desk.harness.config, logLevel: 'silent' as const }))
const sql = () => desk.harness.db.sql
const sentOf = ({ number }: Setup) => desk.graph.sent.filter(({ numberId }) => numberId === number.waId)
const stateOf = async (id: unknown) => (await messageRow(desk.harness, id)).status
/** Longer than the server needs to notice a row. */
const wait = () => delay(1_500)

/** What a restore does to the database before the server sees it. */
async function hold(): Promise<{ held: number; unknown: number }> {
  const results = (await sql().unsafe(HOLD_PENDING)) as unknown as { held: number; unknown: number }[][]
  return results.at(-1)?.[0] ?? { held: -1, unknown: -1 }
}

/** Messages that wait, as they do when the moment of a backup finds them. */
async function queued(setup: Setup, ...texts: string[]): Promise<string[]> {
  await sql()`update phone_numbers set throttled_until = now() + interval '1 hour' where id = ${setup.number.id}`
  const ids: string[] = []
  for (const text of texts) {
    const { output } = await setup.say(text, { wait_s: 0, idempotency_key: text })
    ids.push(String(output.message_id))
  }
  await expect
    .poll(
      async () =>
        (
          await sql()`select from outbox where state = 'ready' and run_after > now() and concurrency_key = ${setup.number.id}`
        ).length,
    )
    .toBe(texts.length)
  return ids
}

/** Nothing of the number has to wait any more. */
async function unthrottle({ number }: Setup): Promise<void> {
  await sql()`update phone_numbers set throttled_until = null where id = ${number.id}`
  await sql()`update outbox set run_after = now() where concurrency_key = ${number.id} and state <> 'done'`
}

const rowOf = async (messageId: unknown) => {
  const [row] = await sql()<{ id: string; state: string; name: string }[]>`
    select id, state, name from outbox where data->>'messageId' = ${String(messageId)} and state <> 'done'`
  return row
}

test('nothing that was pending is sent before the operator releases it, and exactly once after', async () => {
  const setup = await desk.setUp()
  const [one, two, begun] = await queued(setup, 'one', 'two', 'begun')
  await sql()`update messages set status = 'sending', attempts = 1 where id = ${begun ?? ''}`
  // A runner had it, whose lease a dump takes along.
  await sql()`update outbox set leased_by = gen_random_uuid(), leased_until = now() + interval '1 day'
    where concurrency_key = ${setup.number.id} and state = 'ready'`
  expect(await hold()).toEqual({ held: 2, unknown: 1 })
  const open = await sql()`
    select state from outbox where concurrency_key = ${setup.number.id} and state <> 'done'`
  expect(open).toEqual([{ state: 'held' }, { state: 'held' }])
  await unthrottle(setup)
  await wait()
  expect(sentOf(setup)).toEqual([])
  expect([await stateOf(one), await stateOf(two), await stateOf(begun)]).toEqual(['held', 'held', 'unknown'])

  const shown = await admin('outbox', 'show', '--state', 'held')
  expect((shown.data as { data: { messageId: string } }[]).map(({ data }) => data.messageId)).toEqual([
    two,
    one,
  ])
  const first = (await rowOf(one))?.id ?? ''
  await admin('outbox', 'release', first)
  await expect.poll(() => stateOf(one)).toBe('accepted')
  await wait()
  expect(sentOf(setup)).toHaveLength(1)
  expect(await stateOf(two)).toBe('held')

  expect((await admin('outbox', 'release', '--all')).data).toEqual({ rows: 1 })
  await expect.poll(() => stateOf(two)).toBe('accepted')
  await wait()
  expect(sentOf(setup)).toHaveLength(2)
  expect(await stateOf(begun)).toBe('unknown')
  expect(
    await sql()`select action, detail from audit_log where action = 'admin.outbox.release' order by id desc limit 2`,
  ).toEqual([
    { action: 'admin.outbox.release', detail: { rows: 1 } },
    { action: 'admin.outbox.release', detail: { row_id: Number(first) } },
  ])
})

test('a client is told who holds its message back, and its repetition sends nothing', async () => {
  const setup = await desk.setUp()
  const [id] = await queued(setup, 'patience')
  await hold()
  await unthrottle(setup)
  const again = await setup.say('patience', { idempotency_key: 'patience' })
  expect(again.output).toMatchObject({ message_id: id, state: 'held' })
  expect(again.output.warnings).toContainEqual(expect.stringContaining('restored from a backup'))
  const seen = await setup.call('get_message', { message_id: id })
  expect(seen.output).toMatchObject({ message: { status: 'held', wamid: null }, held_by: 'operator' })
  await sql()`update messages set wa_message_id = 'wamid.PACED' where id = ${id ?? ''}`
  expect((await setup.call('get_message', { message_id: id })).output).toMatchObject({ held_by: 'meta' })
  expect(sentOf(setup)).toEqual([])
})

test('what Meta has sent after all is neither held nor sent again', async () => {
  const setup = await desk.setUp()
  const [id] = await queued(setup, 'sent after the backup')
  await hold()
  await unthrottle(setup)
  const report = status('wamid.LATE', 'delivered', { callback: id ?? '' })
  await post(desk.harness.origin, delivery(setup.number, { statuses: [report] }))
  await expect.poll(() => stateOf(id)).toBe('delivered')
  await admin('outbox', 'release', '--all')
  await expect.poll(() => rowOf(id)).toBeUndefined()
  expect(await stateOf(id)).toBe('delivered')
  expect(sentOf(setup)).toEqual([])
})

test('one that is discarded is rejected and never sent; one that is retried is sent', async () => {
  const setup = await desk.setUp()
  const [unwanted, wanted] = await queued(setup, 'unwanted', 'wanted')
  await hold()
  await unthrottle(setup)
  await admin('outbox', 'discard', (await rowOf(unwanted))?.id ?? '')
  expect(await stateOf(unwanted)).toBe('rejected')
  await admin('outbox', 'retry', (await rowOf(wanted))?.id ?? '')
  await expect.poll(() => stateOf(wanted)).toBe('accepted')
  await admin('outbox', 'release', '--all')
  await wait()
  expect(sentOf(setup)).toHaveLength(1)
})

test('a message that only a job service knew of is held with a row of its own', async () => {
  const setup = await desk.setUp()
  const [text] = await queued(setup, 'handed over')
  const file = await setup.call('send_media', {
    ...{ to: setup.contact, kind: 'document', filename: 'a.txt', wait_s: 0 },
    source: { base64: Buffer.from('a file').toString('base64') },
  })
  const media = file.output.message_id
  // Uploaded, and put off like the text: from here on nobody touches either.
  const waiting = () => sql()`
    select from outbox where concurrency_key = ${setup.number.id} and state = 'ready' and run_after > now()
      and leased_until is null`
  const busy = () => sql()`
    select from outbox where concurrency_key = ${setup.number.id} and state = 'ready' and run_after <= now()`
  await expect.poll(async () => [(await waiting()).length, (await busy()).length]).toEqual([2, 0])
  await sql()`update outbox set state = 'done', done_at = now() where concurrency_key = ${setup.number.id}`
  // As a dump finds it when the upload had not been done.
  await sql()`update messages set status = 'queued', payload = payload #- '{document,id}' where id = ${String(media)}`
  expect(await hold()).toEqual({ held: 2, unknown: 0 })
  expect((await rowOf(text))?.name).toBe('wa/message.send.requested')
  expect((await rowOf(media))?.name).toBe('wa/media.upload.requested')
  await unthrottle(setup)
  const before = sentOf(setup).length
  await admin('outbox', 'release', '--all')
  await expect.poll(() => Promise.all([stateOf(text), stateOf(media)])).toEqual(['accepted', 'accepted'])
  await wait()
  expect(sentOf(setup)).toHaveLength(before + 2)
})

test('work that sends nothing goes on, and open rows get ids no job service has seen', async () => {
  const add = async (name: string, data: object, state = 'ready') => {
    const [row] = await sql()<{ id: string }[]>`
      insert into outbox (name, data, state, run_after)
      values (${name}, ${JSON.stringify(data)}::text::jsonb, ${state}, now() + interval '1 hour') returning id`
    return BigInt(row?.id ?? 0)
  }
  const sync = await add('wa/templates.sync.requested', { wabaId: '7' })
  const done = await add('wa/templates.sync.requested', { wabaId: '8' }, 'done')
  const dead = await add('wa/message.send.requested', { messageId: randomUUID() }, 'dead')
  await hold()
  const rows = await sql()<{ id: string; state: string; waba: string | null }[]>`
    select id, state, data->>'wabaId' as waba from outbox`
  const idOf = (waba: string) => BigInt(rows.find((row) => row.waba === waba)?.id ?? 0)
  expect(rows.find(({ waba }) => waba === '7')).toMatchObject({ state: 'ready' })
  expect(idOf('7')).toBeGreaterThan(sync + 1_000_000n)
  expect(idOf('8')).toBe(done)
  expect(rows.filter(({ state }) => state === 'dead').map(({ id }) => BigInt(id))).not.toContain(dead)
  // A second restore of the same set, or its resumption, finds nothing more to hold.
  expect(await hold()).toEqual({ held: 0, unknown: 0 })
  await sql()`delete from outbox`
})

test('release wants to know what', async () => {
  await expect(admin('outbox', 'release')).rejects.toThrow('either ID or --all')
  await expect(admin('outbox', 'release', '7', '--all')).rejects.toThrow('either ID or --all')
  await expect(admin('outbox', 'release', '999999999')).rejects.toThrow('There is no row')
})

test('the chain says where the database came from', async () => {
  await admin('audit', 'restored', '20261121T074605Z')
  const [row] = await sql()<{ id: number; action: string; detail: Record<string, unknown> }[]>`
    select id::float8 as id, action, detail from audit_log where action = 'admin.audit.restored'`
  expect(row?.detail).toEqual({ set_id: '20261121T074605Z', head_id: (row?.id ?? 0) - 1 })
  await expect(admin('audit', 'restored', 'yesterday')).rejects.toThrow('the name of a backup')
})
