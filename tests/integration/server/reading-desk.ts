import * as calls from './call-tool.ts'
import {
  addClient,
  addGrant,
  addInbound,
  addKey,
  addNumber,
  type TestClient,
  type TestNumber,
} from './fixtures.ts'
import { type Harness, SECRETS, startHarness } from './harness.ts'

/** A message as the tools that read show it. */
export interface View {
  readonly message_id: string
  readonly text: { untrusted: true; value: string } | null
  readonly created_at: string
}

/** A server, and a client that reads what is on its number. */
export interface ReadingDesk {
  readonly sql: Harness['db']['sql']
  readonly client: TestClient
  readonly number: TestNumber
  /** What a tool returned. @throws when it failed */
  call<T = Record<string, never>>(tool: string, args?: Record<string, unknown>): Promise<T>
  /** The error a tool returned. @throws when it succeeded */
  callError(tool: string, args?: Record<string, unknown>): Promise<calls.CallError>
  /** A message of the contact. */
  addInbound(contact: string, body: string): Promise<unknown>
  /** A message we sent. */
  addOutbound(
    contact: string,
    o?: { status?: string; body?: string; code?: number },
  ): Promise<{ id: string; wamid: string }>
  stop(): Promise<void>
}

export async function startReadingDesk(): Promise<ReadingDesk> {
  const harness = await startHarness()
  const { sql } = harness.db
  const client = await addClient(sql, 'desk')
  const number = await addNumber(sql, client, { label: 'Front desk', billableCap: 100 })
  await addGrant(sql, client, number, { cap: 7, policy: 'window_only' })
  const { token } = await addKey(sql, client, SECRETS.pepper, { daily: 50 })
  return {
    ...{ sql, client, number },
    call: (tool, args) => calls.call(harness, token, tool, args),
    callError: (tool, args) => calls.callError(harness, token, tool, args),
    addInbound: (contact, body) => addInbound(sql, number, client, contact, { body }),
    addOutbound: async (contact, o = {}) => {
      const [row] = await sql<{ id: string; wamid: string }[]>`
        insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status, wa_message_id, error_code)
        values (${number.id}, ${contact}, ${client.id}, 'outbound', 'text', ${o.body ?? 'an answer'}, ${o.status ?? 'sent'},
          'wamid.OUT.' || uuidv7(), ${o.code ?? null})
        returning id, wa_message_id as wamid`
      return row ?? { id: '', wamid: '' }
    },
    stop: () => harness.stop(),
  }
}

/** What the messages say. */
export const texts = (page: { messages: readonly View[] }) => page.messages.map(({ text }) => text?.value)
