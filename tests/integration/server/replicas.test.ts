import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { addKey } from './fixtures.ts'
import { rpc, SECRETS } from './harness.ts'
import { openSession } from './mcp-client.ts'
import { ana, delivery, inboundText, post, wamid } from './payloads.ts'
import type { ServerProcess } from './process-under-test.ts'
import { type Stage, say, startStage } from './stage.ts'

/** Two processes of the server on one database. */

const PING = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } }

let stage: Stage
let a: ServerProcess
let b: ServerProcess

const start = () => stage.program.start({ databaseUrl: stage.db.url, graphUrl: stage.graph.url })

beforeAll(async () => {
  stage = await startStage()
  a = await start()
  b = await start()
})
afterAll(() => stage?.stop())

/** A delivery with a message of its own; `id` is what Meta calls it. */
function message(id: string): string {
  const messages = [inboundText(ana, `text of ${id}`, { id })]
  return JSON.stringify(delivery(stage.number, { messages, people: [ana] }))
}

const stored = (ids: readonly string[]) => stage.db.sql<{ id: string }[]>`
  select wa_message_id as id from messages where wa_message_id in ${stage.db.sql(ids)}`

test('the same delivery at both at once is one; each of many is understood once, whoever took it', async () => {
  const ids = Array.from({ length: 40 }, () => wamid())
  const answers = await Promise.all(
    ids.map(message).flatMap((body) => [post(a.origin, body), post(b.origin, body)]),
  )
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([200])
  await stage.drained()
  expect((await stored(ids)).map(({ id }) => id).sort()).toEqual([...ids].sort())
  expect(await stage.db.sql`select 1 from webhook_events where processed_at is not null`).toHaveLength(40)
})

test('what both are asked to send goes out once, and the audit log of both is one chain', async () => {
  const keys = Array.from({ length: 12 }, (_, n) => `both-${n}`)
  const before = stage.graph.sent.length
  const said = await Promise.all(
    keys.flatMap((key) => [say(stage, a.origin, key), say(stage, b.origin, key)]),
  )
  expect([...new Set(said.map(({ state }) => state))]).toEqual(['accepted'])
  expect(new Set(said.map(({ messageId }) => messageId)).size).toBe(keys.length)
  expect(stage.graph.sent.slice(before)).toHaveLength(keys.length)
  expect(await verifyAudit(stage.db.sql)).toMatchObject({ ok: true })
})

test('the requests a key may make in a minute are counted over both', async () => {
  const { sql } = stage.db
  const [client] = await sql<{ id: string }[]>`select id from clients where name = 'agent'`
  const key = await addKey(sql, { id: String(client?.id), name: 'agent' }, SECRETS.pepper)
  await sql`update api_keys set rpm_limit = 20 where id = ${key.id}`
  const statuses: number[] = []
  // Longer than the processes take to tell each other what they counted.
  for (let n = 0; n < 15; n += 1) {
    const both = await Promise.all([rpc(a.origin, key.token, PING), rpc(b.origin, key.token, PING)])
    statuses.push(...both.map(({ status }) => status))
    await delay(100)
  }
  const admitted = statuses.filter((status) => status === 200).length
  expect(admitted).toBeGreaterThanOrEqual(20)
  expect(admitted).toBeLessThan(28)
})

test('one is replaced while work goes on: nothing fails that may go to the other, nothing is done twice, sessions live on', {
  timeout: 60_000,
}, async () => {
  const session = await openSession(a.origin, stage.token)
  let isOver = false
  const failures: string[] = []
  const ids: string[] = []
  const keys: string[] = []
  const before = stage.graph.sent.length
  /** As the proxy does: the other one where the first cannot be reached. */
  async function ask<T>(first: ServerProcess, call: (origin: string) => Promise<T>): Promise<T> {
    return call(first.origin).catch(() => call((first === a ? b : a).origin))
  }
  const meta = async () => {
    for (let n = 0; !isOver; n += 1) {
      const id = wamid()
      ids.push(id)
      const { status } = await ask(n % 2 ? a : b, (origin) => post(origin, message(id)))
      if (status !== 200) failures.push(`delivery ${status}`)
      await delay(10)
    }
  }
  const agent = async () => {
    for (let n = 0; !isOver; n += 1) {
      const key = `roll-${n}`
      keys.push(key)
      // Refused where nobody listens any more; what was taken is answered.
      const { state } = await ask(n % 2 ? a : b, (origin) => say(stage, origin, key))
      if (state !== 'accepted') failures.push(`send ${state}`)
      await delay(20)
    }
  }
  const work = Promise.all([meta(), agent()])
  /** Waits until both kinds of callers have got some more answers. */
  const goesOn = async () => {
    const [from, to] = [ids.length, keys.length]
    await expect.poll(() => ids.length > from + 5 && keys.length > to + 2, { timeout: 20_000 }).toBe(true)
  }
  await goesOn()
  for (const leaving of ['a', 'b'] as const) {
    const old = leaving === 'a' ? a : b
    old.terminate()
    expect(await old.exit).toBe(0)
    const fresh = await start()
    if (leaving === 'a') a = fresh
    else b = fresh
    await goesOn()
  }
  isOver = true
  await work
  expect(failures).toEqual([])
  await stage.drained()
  expect(await stored(ids)).toHaveLength(ids.length)
  expect(stage.graph.sent.slice(before)).toHaveLength(keys.length)
  expect(await verifyAudit(stage.db.sql)).toMatchObject({ ok: true })
  const again = await rpc(b.origin, stage.token, PING, { 'mcp-session-id': session.id })
  expect(again.status).toBe(200)
})

test('a call that had begun to arrive when its replica was told to go is answered', async () => {
  const body = JSON.stringify(PING)
  const headers = {
    ...{ authorization: `Bearer ${stage.token}`, accept: 'application/json, text/event-stream' },
    ...{ 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  }
  const req = request(`${b.origin}/mcp`, { method: 'POST', headers })
  const answered = new Promise<number | undefined>((resolve, reject) => {
    req.once('response', (res) => resolve(res.resume().statusCode)).once('error', reject)
  })
  req.write(body.slice(0, 10))
  await delay(100)
  b.terminate()
  await expect.poll(() => fetch(`${b.origin}/livez`).then(Boolean, () => false)).toBe(false)
  req.end(body.slice(10))
  expect(await answered).toBe(200)
  expect(await b.exit).toBe(0)
})

test('who waits for Meta when its replica goes is told what is known, not cut off', {
  timeout: 60_000,
}, async () => {
  const { graph } = stage
  const before = graph.requests.length
  graph.behave({ slow: 15_000 })
  const waiting = say(stage, a.origin, 'late', { wait_s: 25 })
  await expect.poll(() => graph.requests.length, { interval: 5 }).toBe(before + 1)
  graph.behave(undefined)
  a.terminate()
  expect(await waiting).toMatchObject({ state: 'sending', messageId: expect.stringMatching(/-/) })
  expect(await a.exit).toBe(0)
})
