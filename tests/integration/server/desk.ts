import { expect, vi } from 'vitest'
import { type FakeGraph, startFakeGraph } from '../../fakes/graph/graph.ts'
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

/** What a tool answered: its output, or its error. */
export interface Answer {
  readonly isError: boolean
  readonly output: Record<string, unknown>
  readonly error: Record<string, unknown>
}

/** A client with a key, a number it may use, and a person who wrote just now. */
export interface Setup {
  readonly client: TestClient
  readonly number: TestNumber
  readonly token: string
  readonly contact: string
  /** Of `contact`, without `+`. */
  readonly waId: string
  call(tool: string, args: Record<string, unknown>): Promise<Answer>
  /** `send_message` to the contact. */
  say(body: string, args?: Record<string, unknown>): Promise<Answer>
}

/** The real server between a real client's calls and a fake Graph. */
export interface Desk {
  readonly harness: Harness
  readonly graph: FakeGraph
  setUp(o?: SetupOptions): Promise<Setup>
  stop(): Promise<void>
}

export interface SetupOptions {
  readonly number?: Parameters<typeof addNumber>[2]
  readonly grant?: Parameters<typeof addGrant>[3]
  readonly key?: Parameters<typeof addKey>[3]
  readonly contact?: Parameters<typeof addContact>[2]
}

let count = 0

export async function startDesk(): Promise<Desk> {
  const graph = await startFakeGraph({ tokens: [SECRETS.accessToken.reveal()] })
  const harness = await startHarness(() => ({ graphUrl: graph.url }))
  const { sql } = harness.db

  return {
    harness,
    graph,
    setUp: async (o = {}) => {
      count += 1
      const client = await addClient(sql, `client-${count}`)
      // A business account of its own, so that templates do not mix.
      const wabaId = `1000000000${String(count).padStart(5, '0')}`
      const number = await addNumber(sql, client, { wabaId, ...o.number })
      graph.numbers.set(number.waId, number.wabaId)
      await addGrant(sql, client, number, o.grant)
      const { token } = await addKey(sql, client, harness.config.pepper, o.key)
      const waId = `1555${String(count).padStart(7, '0')}`
      const contact = await addContact(sql, number, { waId, ...o.contact })
      const call = async (tool: string, args: Record<string, unknown>) => ask(harness, token, tool, args)
      const say = (body: string, args = {}) => call('send_message', { to: contact, body, ...args })
      // The server hears of the new number by notice, so a moment later.
      await vi.waitFor(async () =>
        expect((await say('x', { dry_run: true })).error.code).not.toBe('no_number'),
      )
      return { client, number, token, contact, waId, call, say }
    },
    stop: async () => {
      // Whatever still hangs would hold the server up.
      await graph.stop()
      await harness.stop()
    },
  }
}

async function ask(harness: Harness, token: string, tool: string, args: unknown): Promise<Answer> {
  const response = await rpc(harness.origin, token, {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: tool, arguments: args },
  })
  const { result, error } = (await response.json()) as {
    result?: { isError?: boolean; structuredContent?: Record<string, unknown> }
    error?: { message: string }
  }
  if (result === undefined) throw new Error(`${tool} ended in a protocol error: ${error?.message}`)
  const output = result.structuredContent ?? {}
  return {
    isError: result.isError === true,
    output,
    error: (output.error ?? {}) as Record<string, unknown>,
  }
}

/** The row of a message, as it is now. */
export async function messageRow(harness: Harness, id: unknown): Promise<Record<string, unknown>> {
  const [row] = await harness.db.sql<
    Record<string, unknown>[]
  >`select * from messages where id = ${String(id)}`
  return row ?? {}
}

/** Audit entries of an action about a number. */
export function auditOf(harness: Harness, number: TestNumber, action: string) {
  return harness.db.sql<Record<string, unknown>[]>`
    select * from audit_log where action = ${action} and phone_number_id = ${number.waId} order by id`
}
