import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { call } from './call-tool.ts'
import { type Heard, hear, modern } from './mcp-client.ts'
import { ana, delivery, inboundText, post, wamid } from './payloads.ts'
import type { ServerProcess } from './process-under-test.ts'
import { type Stage, startStage } from './stage.ts'
import { Fuse, startTap, type Tap } from './tap.ts'

/** The server is killed at each exchange with Postgres from a delivery to the notification of it. */

let stage: Stage
let database: Tap
const fuse = new Fuse()

beforeAll(async () => {
  stage = await startStage()
  database = await startTap(stage.db.url, fuse)
})
afterAll(async () => {
  await stage?.stop()
  await database?.close()
})

/** Far more than there are: about 30. */
const MOST = 150

interface Page {
  readonly messages: readonly { readonly wamid: string }[]
  readonly next: Record<string, string>
}

const page = (server: ServerProcess, after: Record<string, string>) =>
  call<Page>(server, stage.token, 'get_messages', { phone_number_id: stage.number.waId, ...after })

/** A server with a client that waits to hear of messages. */
async function start(): Promise<{ server: ServerProcess; stream: Heard }> {
  const server = await stage.program.start({ databaseUrl: database.url, graphUrl: stage.graph.url })
  const wish = { resourceSubscriptions: [`wamcp://numbers/${stage.number.waId}/messages`] }
  const { body, headers } = modern('subscriptions/listen', { notifications: wish })
  const stream = await hear(server.origin, stage.token, { method: 'POST', headers, body })
  await expect.poll(() => stream.messages.length, { interval: 5 }).toBe(1)
  return { server, stream }
}

const hasHeard = ({ messages }: Heard, wamid: string) =>
  messages.some(({ params }) => (params?._meta as { wamid?: string } | undefined)?.wamid === wamid)

/** @returns the status of the answer; undefined when the connection broke before it. */
const deliver = ({ origin }: ServerProcess, body: string) =>
  post(origin, body).then(
    ({ status }) => status,
    (error: unknown) => {
      if (error instanceof TypeError) return undefined
      throw error
    },
  )

test('killed at every exchange from the delivery to the notification: processed once, and told to who comes back', {
  timeout: 300_000,
}, async () => {
  const { server: compiles } = await start()
  compiles.terminate()
  await compiles.exit
  let { server, stream } = await start()
  let { next } = await page(server, { since: '2026-01-01T00:00:00Z' })
  const answers: (number | undefined)[] = []
  for (let n = 1; n <= MOST; n += 1) {
    const id = wamid()
    const body = JSON.stringify(
      delivery(stage.number, { messages: [inboundText(ana, `text ${n}`, { id })], people: [ana] }),
    )
    fuse.light(n, () => server.kill())
    const answer = await deliver(server, body)
    await expect.poll(() => hasHeard(stream, id) || stream.ended, { interval: 5 }).toBe(true)
    await stage.drained(() => fuse.isBurnt)
    if (!fuse.isBurnt) break
    await server.exit
    fuse.replace()
    await stage.bury()
    ;({ server, stream } = await start())
    // Meta repeats what was not answered.
    if (answer === undefined) expect(await deliver(server, body)).toBe(200)
    else expect(answer).toBe(200)
    answers.push(answer)
    await stage.drained()
    next = await settle(server, id, body, next)
  }
  expect(fuse.isBurnt).toBe(false)
  expect(answers.length).toBeGreaterThan(10)
  expect(answers).toEqual(expect.arrayContaining([undefined, 200]))
  expect(await verifyAudit(stage.db.sql)).toMatchObject({ ok: true })
})

/** Checks what became of a delivery whose server was killed. @returns where a client that has read it goes on. */
async function settle(
  server: ServerProcess,
  id: string,
  body: string,
  after: Page['next'],
): Promise<Page['next']> {
  const { sql } = stage.db
  const { messages, next } = await page(server, after)
  expect(messages).toMatchObject([{ wamid: id }])
  expect(await sql`select 1 from messages where wa_message_id = ${id}`).toHaveLength(1)
  const events = await sql`
    select w.error, processed_at is not null as "isProcessed", state
    from webhook_events w join outbox o on (o.data ->> 'eventId')::bigint = w.id where body = ${Buffer.from(body)}`
  expect(events).toEqual([{ error: null, isProcessed: true, state: 'done' }])
  return next
}
