import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { lockNumber } from '../../../server/db/number-lock.ts'
import type { StatusItem } from '../../../server/inbound/items.ts'
import { storeStatuses } from '../../../server/inbound/statuses.ts'
import { emit } from '../../../server/jobs/emit.ts'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { startDoor } from '../door.ts'
import { addClient, addContact, addNumber, type TestNumber } from './fixtures.ts'

/** A sender that is killed at every point between the request and Meta's answer. */

let db: TestDatabase
let graph: FakeGraph
let number: TestNumber
const workers: ChildProcess[] = []

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
})
beforeEach(async () => {
  graph = await startFakeGraph({ tokens: ['token'] })
  const client = await addClient(db.sql, `client-${graph.url.port}`)
  number = await addNumber(db.sql, client)
  graph.numbers.set(number.waId, number.wabaId)
})
afterEach(async () => {
  for (const worker of workers.splice(0)) await kill(worker)
  await graph.stop()
  await db.sql`truncate outbox`
})
afterAll(() => db?.drop())

function startWorker(database = db.url): ChildProcess {
  const worker = spawn(process.execPath, [join(import.meta.dirname, 'send-worker.ts')], {
    env: {
      DATABASE_URL: database.href,
      DATABASE_PASSWORD: PASSWORDS.app.reveal(),
      GRAPH_URL: graph.url.href,
      TOKEN: 'token',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  workers.push(worker)
  return worker
}

async function kill(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return
  const gone = once(worker, 'exit')
  worker.kill('SIGKILL')
  await gone
}

/** A message as the tool leaves it behind: row and event. */
async function request(): Promise<string> {
  const contact = await addContact(db.sql, number)
  return await db.sql.begin(async (tx) => {
    const [row] = await tx<{ id: string }[]>`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, payload, status)
      select ${number.id}, ${contact}, client_id, 'outbound', 'text', 'hi', '{"type":"text","text":{"body":"hi"}}', 'queued'
      from phone_numbers where id = ${number.id} returning id`
    const messageId = row?.id ?? ''
    await emit(tx, 'wa/message.send.requested', { messageId }, { key: number.id })
    return messageId
  })
}

async function statusOf(id: string): Promise<string> {
  const [row] = await db.sql<{ status: string }[]>`select status from messages where id = ${id}`
  return row?.status ?? ''
}

const posts = () => graph.requests.filter(({ path }) => path.endsWith('/messages')).length

test('D3.4 S3.2 killed before the POST: the next process sends it, once', async () => {
  const id = await request()
  const held = Promise.withResolvers<void>()
  // The worker waits for the row, so it dies before it can mark it.
  const locker = db.sql.begin(async (tx) => {
    await tx`select 1 from messages where id = ${id} for update`
    const worker = startWorker()
    await expect.poll(async () => (await waiting()).length, { timeout: 10_000 }).toBeGreaterThan(0)
    await kill(worker)
    held.resolve()
  })
  await held.promise
  await locker
  expect(await statusOf(id)).toBe('queued')
  startWorker()
  await expect.poll(() => statusOf(id), { timeout: 10_000 }).toBe('accepted')
  expect(graph.sent).toHaveLength(1)
})

test.each([
  ['after Meta had accepted it', 'accept-then-hang', 1],
  ['before Meta had looked at it', 'hang', 0],
] as const)(
  'D3.4 killed during the POST, %s: an honest unknown, never a second send',
  async (_, behaviour, sent) => {
    graph.behave(behaviour, 1)
    const id = await request()
    const worker = startWorker()
    await expect.poll(posts, { timeout: 10_000 }).toBe(1)
    await kill(worker)
    expect(await statusOf(id)).toBe('sending')
    startWorker()
    await expect.poll(() => statusOf(id), { timeout: 10_000 }).toBe('unknown')
    expect(posts()).toBe(1)
    expect(graph.sent).toHaveLength(sent)
  },
)

test('D3.4 killed after Meta’s answer and before it was written down: Meta’s report settles it', async () => {
  const id = await request()
  const held = Promise.withResolvers<void>()
  const locker = db.sql.begin(async (tx) => {
    await lockNumber(tx, number.id)
    const worker = startWorker()
    await expect.poll(() => graph.sent.length, { timeout: 10_000 }).toBe(1)
    await expect.poll(async () => (await waiting()).length, { timeout: 10_000 }).toBeGreaterThan(0)
    await kill(worker)
    held.resolve()
  })
  await held.promise
  await locker
  startWorker()
  await expect.poll(() => statusOf(id), { timeout: 10_000 }).toBe('unknown')
  const report: StatusItem = {
    kind: 'status',
    number: number.waId,
    wamid: graph.sent[0]?.wamid ?? '',
    status: 'delivered',
    recipient: '',
    person: { bsuid: null, parentBsuid: null, waId: null, username: null, name: null },
    callback: graph.sent[0]?.callback ?? null,
    at: new Date(),
    error: null,
    pricing: null,
  }
  await db.sql.begin((tx) => storeStatuses(tx, number.id, [report]))
  expect(await statusOf(id)).toBe('delivered')
  expect(graph.sent).toHaveLength(1)
})

test('Postgres gone during the POST: accepted or an honest unknown, never a second send', async () => {
  const door = await startDoor(db.url)
  graph.behave({ slow: 500 }, 1)
  const id = await request()
  startWorker(door.url)
  await expect.poll(posts, { timeout: 10_000 }).toBe(1)
  await door.shut()
  await expect.poll(() => graph.sent.length).toBe(1)
  await door.open()
  await expect.poll(() => statusOf(id), { timeout: 15_000 }).toMatch(/^(accepted|unknown)$/)
  expect(posts()).toBe(1)
  await door.shut()
})

/** Statements of the app that wait for a lock of ours. */
function waiting() {
  return db.sql`select 1 from pg_stat_activity
    where datname = current_database() and usename = 'wa_app' and wait_event_type = 'Lock'`
}
