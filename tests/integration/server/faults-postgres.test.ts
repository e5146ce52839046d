import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Door, startDoor } from '../door.ts'
import { ana, delivery, inboundText, post, status, wamid } from './payloads.ts'
import type { ServerProcess } from './process-under-test.ts'
import { type Said, type Stage, say, startStage } from './stage.ts'

/** Postgres restarts while everybody is busy. */

const SENDS = 50
const DELIVERIES = 200
/** How many sends one process has under way. */
const AT_ONCE = 8

let stage: Stage
let door: Door
let server: ServerProcess

beforeAll(async () => {
  stage = await startStage()
  door = await startDoor(stage.db.url)
  server = await stage.program.start({ databaseUrl: door.url, graphUrl: stage.graph.url })
  await say(stage, server.origin, 'warm', { dry_run: true })
})
afterAll(async () => {
  await stage?.stop()
  await door?.shut()
})

/** What a restart looks like from outside: transactions are broken off, connections cut, and for a while nobody answers. */
async function restartPostgres(): Promise<void> {
  await stage.db.sql`
    select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'wa_app'`
  await door.shut()
  await delay(500)
  await door.open()
}

/** Repeats, as callers do, until there is an answer. */
async function insist<T>(ask: () => Promise<T>, isAnswer: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isAnswer(answer)) return answer
    await delay(100)
  }
}

const send = (key: string) =>
  insist(
    () => say(stage, server.origin, key),
    ({ state }) => state !== 'unavailable',
  )

const deliver = (id: string, n: number) => {
  const body = JSON.stringify(delivery(stage.number, { messages: [inboundText(ana, `text ${n}`, { id })] }))
  return insist(
    async () => (await post(server.origin, body)).status,
    (code) => code === 200,
  )
}

test('Postgres restarts within 50 sends and 200 deliveries: nothing lost, nothing twice', {
  timeout: 120_000,
}, async () => {
  const { graph, number } = stage
  const keys = Array.from({ length: SENDS }, (_, n) => `message-${n}`)
  const ids = Array.from({ length: DELIVERIES }, () => wamid())
  const burst = Promise.all([Promise.all(keys.map(send)), Promise.all(ids.map(deliver))])
  await expect.poll(() => graph.sent.length, { interval: 1 }).toBeGreaterThan(5)
  await restartPostgres()
  const [said] = await burst
  await stage.drained()

  const sent = graph.sent.map(({ callback }) => callback)
  expect(new Set(sent).size).toBe(sent.length)
  const rows = await outbound()
  expect(rows).toEqual(said.map(({ messageId }) => ({ messageId, state: expect.any(String) })).sort(byId))
  // What Meta answered is not forgotten, and what it was not asked may at worst be in doubt.
  for (const { messageId, state } of rows)
    expect(state).toBe(sent.includes(messageId) ? 'accepted' : 'unknown')
  expect(sent.length).toBeGreaterThanOrEqual(SENDS - AT_ONCE)

  const statuses = graph.sent.map(({ wamid, callback }) =>
    status(wamid, 'delivered', { callback: callback ?? '' }),
  )
  expect((await post(server.origin, delivery(number, { statuses }))).status).toBe(200)
  await stage.drained()
  const reported = (await outbound()).filter(({ state }) => state === 'delivered')
  expect(reported.map(({ messageId }) => messageId)).toEqual(sent.toSorted())

  const { sql } = stage.db
  const received = await sql<{ id: string }[]>`
    select wa_message_id as id from messages where direction = 'inbound' order by 1`
  expect(received.map(({ id }) => id)).toEqual(ids.toSorted())
  expect(await sql`select 1 from webhook_events where processed_at is null or error is not null`).toEqual([])
  expect(await sql`select 1 from outbox where state <> 'done'`).toEqual([])
})

const byId = (one: Said, other: Said) => (one.messageId < other.messageId ? -1 : 1)

function outbound() {
  return stage.db.sql<Said[]>`
    select id as "messageId", status as state from messages where direction = 'outbound' order by id`
}
