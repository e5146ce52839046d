import { randomBytes } from 'node:crypto'
import type { Secret } from '../../../secrets/secret.ts'
import type { SendPolicy, Verb } from '../../../server/auth/grants.ts'
import { hashToken, newToken, prefixOf } from '../../../server/auth/token.ts'
import type { Database } from '../../../server/db/pool.ts'

/** Rows that tests start from, written straight into the database. `sql` is the superuser's connection of the harness. */

export interface TestClient {
  readonly id: string
  readonly name: string
}

export async function addClient(
  sql: Database,
  name: string,
  o: { owner?: boolean } = {},
): Promise<TestClient> {
  const [row] = await sql<{ id: string }[]>`
    insert into clients (name, display_name, is_owner) values (${name}, ${name}, ${o.owner ?? false}) returning id`
  return { id: row?.id ?? '', name }
}

export interface TestNumber {
  readonly id: string
  /** Meta's id. */
  readonly waId: string
  readonly wabaId: string
}

/** A number with a random Meta id, booked to `client`. */
export async function addNumber(
  sql: Database,
  client: TestClient,
  o: {
    label?: string
    waId?: string
    wabaId?: string
    tokenRef?: string
    app?: string
    billableCap?: number
  } = {},
): Promise<TestNumber> {
  const waId = o.waId ?? `2${Date.now()}${randomBytes(1)[0]}`
  const wabaId = o.wabaId ?? '100000000000001'
  const [row] = await sql<{ id: string }[]>`
    insert into phone_numbers (wa_phone_number_id, wa_business_account_id, meta_app_id, client_id, label, display_number,
      access_token_secret_ref, monthly_billable_cap)
    select ${waId}, ${wabaId}, id, ${client.id}, ${o.label ?? `number ${waId}`}, '+15550001111',
      ${o.tokenRef ?? 'secrets://wa_default_access_token'}, ${o.billableCap ?? null}
    from meta_apps where name = ${o.app ?? 'default'} returning id`
  return { id: row?.id ?? '', waId, wabaId }
}

export async function addGrant(
  sql: Database,
  client: TestClient,
  number: TestNumber,
  o: {
    verbs?: readonly Verb[]
    tools?: readonly string[]
    cap?: number
    policy?: SendPolicy
    approveInClient?: boolean
  } = {},
): Promise<string> {
  const list = (items: readonly string[]) => `{${items.join(',')}}`
  const [row] = await sql<{ id: string }[]>`
    insert into client_phone_grants
      (client_id, phone_number_id, verbs, allowed_tools, daily_cap, send_policy, approve_in_client)
    values (${client.id}, ${number.id}, ${list(o.verbs ?? ['read', 'send', 'template'])}::text::text[],
      ${o.tools ? list(o.tools) : null}::text::text[], ${o.cap ?? null}, ${o.policy ?? 'any'}, ${o.approveInClient ?? false})
    returning id`
  return row?.id ?? ''
}

/** @returns the token. Scopes default to every tool and every number, which for tests needs no owner. */
export async function addKey(
  sql: Database,
  client: TestClient,
  pepper: Secret,
  o: { scopes?: readonly string[]; rpm?: number; daily?: number } = {},
): Promise<{ id: string; token: string }> {
  const token = newToken()
  const [row] = await sql<{ id: string }[]>`
    insert into api_keys (client_id, label, prefix, hash, scopes, rpm_limit, daily_msg_limit)
    values (${client.id}, 'test', ${prefixOf(token)}, ${hashToken(token, pepper)},
      ${JSON.stringify(o.scopes ?? ['*'])}::text::jsonb, ${o.rpm ?? 100_000}, ${o.daily ?? 100_000})
    returning id`
  return { id: row?.id ?? '', token }
}

/** A person on a number; `inWindow` (the default) wrote just now. */
export async function addContact(
  sql: Database,
  number: TestNumber,
  o: { waId?: string | null; bsuid?: string | null; name?: string; inWindow?: boolean } = {},
): Promise<string> {
  const waId =
    o.waId === undefined ? `1555${randomBytes(3).readUIntBE(0, 3).toString().padStart(8, '0')}` : o.waId
  const at = o.inWindow === false ? null : new Date()
  const [row] = await sql<{ id: string }[]>`
    insert into contacts (phone_number_id, wa_id, bsuid, profile_name, last_inbound_at, window_expires_at, last_message_at)
    values (${number.id}, ${waId}, ${o.bsuid ?? null}, ${o.name ?? 'Ana'}, ${at}, ${at ? new Date(at.getTime() + 86_400_000) : null}, ${at})
    returning id`
  return row?.id ?? ''
}

/** An inbound message, as ingestion would have stored it. */
export async function addInbound(
  sql: Database,
  number: TestNumber,
  client: TestClient,
  contactId: string,
  o: { body?: string; type?: string; wamid?: string; at?: Date } = {},
): Promise<{ id: string; wamid: string }> {
  const wamid = o.wamid ?? `wamid.IN.${randomBytes(12).toString('hex')}`
  const [row] = await sql<{ id: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, wa_message_id, status, wa_timestamp)
    values (${number.id}, ${contactId}, ${client.id}, 'inbound', ${o.type ?? 'text'}, ${o.body ?? 'hello'}, ${wamid}, 'received',
      ${o.at ?? new Date()})
    returning id`
  return { id: row?.id ?? '', wamid }
}
