import { randomBytes } from 'node:crypto'
import type { MediaSource } from '../../../server/media/media.ts'
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

/** What a tool answers. */
export interface Result {
  readonly isError?: boolean
  readonly structuredContent: Record<string, unknown> & { error?: { code: string; hint: string } }
  readonly content: readonly { type: string; data?: string; mimeType?: string }[]
}

/** A client with a number, a person in the service window, and Meta behind it. */
export interface Desk {
  readonly harness: Harness
  readonly graph: FakeGraph
  readonly client: TestClient
  readonly number: TestNumber
  /** `contacts.id` */
  readonly conversation: string
  call(tool: string, args: Record<string, unknown>): Promise<Result>
  /** `send_media` to the conversation, under a key of its own. */
  send(args: Record<string, unknown>): Promise<Result>
  /** Uploads Meta was asked for since {@link Desk.clear}. */
  uploads(): unknown[]
  /** Outbound files of the client. */
  rows(): Promise<{ id: string }[]>
  /** Meta behaves, and has seen nothing. */
  clear(): void
  stop(): Promise<void>
}

export async function startDesk(): Promise<Desk> {
  const graph = await startFakeGraph({ tokens: [SECRETS.accessToken.reveal()] })
  const harness = await startHarness(() => ({ graphUrl: graph.url }))
  const { sql } = harness.db
  const client = await addClient(sql, 'anna')
  const number = await addNumber(sql, client)
  graph.numbers.set(number.waId, number.wabaId)
  await addGrant(sql, client, number)
  const { token } = await addKey(sql, client, harness.config.pepper)
  const conversation = await addContact(sql, number)

  const call: Desk['call'] = async (name, args) => {
    const params = { name, arguments: args }
    const response = await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
    return ((await response.json()) as { result: Result }).result
  }
  return {
    ...{ harness, graph, client, number, conversation, call },
    send: (args) =>
      call('send_media', {
        to: conversation,
        wait_s: 10,
        idempotency_key: randomBytes(8).toString('hex'),
        ...args,
      }),
    uploads: () => graph.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/media')),
    rows: async () =>
      await sql<{ id: string }[]>`
      select id from media_objects where client_id = ${client.id} and direction = 'outbound'`,
    clear: () => {
      graph.behave(undefined)
      graph.requests.length = 0
      graph.sent.length = 0
    },
    stop: async () => {
      await harness.stop()
      await graph.stop()
    },
  }
}

export const base64 = (bytes: Buffer): MediaSource => ({ base64: bytes.toString('base64') })
