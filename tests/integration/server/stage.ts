import { expect } from 'vitest'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'
import { createDatabase, type TestDatabase } from '../database.ts'
import type { CallError } from './call-tool.ts'
import { addClient, addContact, addGrant, addKey, addNumber, type TestNumber } from './fixtures.ts'
import { rpc, SECRETS } from './harness.ts'
import { buildProgram, type Program } from './process-under-test.ts'

/** Everything around a server that is a process of its own, and outlives it. */
export interface Stage {
  readonly db: TestDatabase
  readonly graph: FakeGraph
  readonly program: Program
  readonly number: TestNumber
  /** Who wrote just now. */
  readonly contact: string
  readonly token: string
  /** Waits until what a killed server has begun is over, and lets the time pass after which others take over its work. */
  bury(): Promise<void>
  /** Waits until nothing is left to do, or `isOver`: for as long as a lease may stay that nobody heard to have. */
  drained(isOver?: () => boolean): Promise<void>
  stop(): Promise<void>
}

export async function startStage(): Promise<Stage> {
  const program = await buildProgram()
  const graph = await startFakeGraph({ tokens: [SECRETS.accessToken.reveal()] })
  const db = await createDatabase()
  await db.migrate()
  const { sql } = db
  const client = await addClient(sql, 'agent')
  const number = await addNumber(sql, client)
  graph.numbers.set(number.waId, number.wabaId)
  await addGrant(sql, client, number)
  const { token } = await addKey(sql, client, SECRETS.pepper)
  const contact = await addContact(sql, number)
  const ready = () => sql`select 1 from outbox where state = 'ready'`
  const connections = () =>
    sql`select 1 from pg_stat_activity where datname = current_database() and usename = 'wa_app'`

  return {
    ...{ db, graph, program, number, contact, token },
    bury: async () => {
      await expect.poll(async () => (await connections()).length, { interval: 5 }).toBe(0)
      await sql`update outbox set leased_until = now() where state = 'ready' and leased_until is not null`
    },
    drained: (isOver = () => false) =>
      expect
        .poll(async () => isOver() || (await ready()).length === 0, { interval: 5, timeout: 30_000 })
        .toBe(true),
    stop: async () => {
      await program.remove()
      await graph.stop()
      await db.drop()
    },
  }
}

/** What a sender is told. */
export interface Said {
  readonly messageId: string
  /** Of the message, or the code of the error. */
  readonly state: string
}

/** `send_message`, to whoever listens at `origin`. */
export function say(
  stage: Stage,
  origin: string,
  key: string,
  o: { dry_run?: boolean; wait_s?: number } = {},
): Promise<Said> {
  return send(stage, origin, 'send_message', key, { body: `text of ${key}`, ...o })
}

/** `send_media` with a file of its own. */
export function sendFile(stage: Stage, origin: string, key: string): Promise<Said> {
  const base64 = Buffer.from(`file of ${key}`).toString('base64')
  return send(stage, origin, 'send_media', key, { kind: 'document', source: { base64 }, filename: 'a.txt' })
}

async function send(
  { contact, token }: Stage,
  origin: string,
  name: string,
  key: string,
  more: object,
): Promise<Said> {
  const params = { name, arguments: { to: contact, idempotency_key: key, ...more } }
  const response = await rpc(origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  const { error, result } = (await response.json()) as {
    error?: string
    result?: { structuredContent: { error?: CallError; message_id: string; state: string } }
  }
  if (result === undefined) return { messageId: '', state: String(error) }
  const { structuredContent: output } = result
  return output.error
    ? { messageId: String(output.error.message_id), state: output.error.code }
    : { messageId: output.message_id, state: output.state }
}
