import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { Secret } from '../../../secrets/secret.ts'
import { type Harness, SECRETS, sign } from './harness.ts'

/** Builders of what Meta posts to `/webhook/meta`. */

type Json = Record<string, unknown>

/** Whoever writes to us; either id may be missing, as with users who hide their number. */
export interface Person {
  readonly waId?: string
  readonly bsuid?: string
  readonly name?: string
  readonly username?: string
}

export const ana: Person = { waId: '15550002222', bsuid: 'US.10000000000000000001', name: 'Ana' }

export function wamid(direction: 'IN' | 'OUT' = 'IN'): string {
  return `wamid.${direction}.${randomBytes(12).toString('hex')}`
}

export const seconds = (at: Date): string => String(Math.floor(at.getTime() / 1000))

/** One message of any type: `inbound(ana, 'location', { latitude: 1, longitude: 2 })`. */
export function inbound(
  from: Person,
  type: string,
  content: unknown,
  o: { id?: string; at?: Date; context?: Json; extra?: Json } = {},
): Json {
  return {
    id: o.id ?? wamid(),
    ...(from.waId && { from: from.waId }),
    ...(from.bsuid && { from_user_id: from.bsuid }),
    timestamp: seconds(o.at ?? new Date()),
    type,
    ...(content !== undefined && { [type]: content }),
    ...(o.context && { context: o.context }),
    ...o.extra,
  }
}

export function inboundText(from: Person, body: string, o: Parameters<typeof inbound>[3] = {}): Json {
  return inbound(from, 'text', { body }, o)
}

/** What became of a message of ours. */
export function status(
  id: string,
  state: string,
  o: {
    to?: Person
    at?: Date
    /** `messages.id`, as sent along in `biz_opaque_callback_data`. */
    callback?: string
    errorCode?: number
    pricing?: Json
  } = {},
): Json {
  const to = o.to ?? ana
  return {
    id,
    status: state,
    timestamp: seconds(o.at ?? new Date()),
    ...(to.waId && { recipient_id: to.waId }),
    ...(to.bsuid && { recipient_user_id: to.bsuid }),
    ...(o.callback && { biz_opaque_callback_data: o.callback }),
    ...(o.pricing && { pricing: o.pricing }),
    ...(o.errorCode && {
      errors: [{ code: o.errorCode, title: 'failed', message: 'failed', error_data: { details: 'why' } }],
    }),
  }
}

/** A delivery for one number. `people` gives names to the senders. */
export function delivery(
  number: { waId: string; wabaId: string },
  o: {
    messages?: readonly Json[]
    statuses?: readonly Json[]
    people?: readonly Person[]
    errors?: readonly Json[]
  },
): Json {
  return field(number.wabaId, 'messages', {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '15550001111', phone_number_id: number.waId },
    ...(o.people && {
      contacts: o.people.map(({ waId, bsuid, name, username }) => ({
        profile: { ...(name && { name }), ...(username && { username }) },
        ...(waId && { wa_id: waId }),
        ...(bsuid && { user_id: bsuid }),
      })),
    }),
    ...(o.messages && { messages: o.messages }),
    ...(o.statuses && { statuses: o.statuses }),
    ...(o.errors && { errors: o.errors }),
  })
}

/** A delivery of any subscribed field. */
export function field(wabaId: string, name: string, value: Json): Json {
  return {
    object: 'whatsapp_business_account',
    entry: [{ id: wabaId, time: Math.floor(Date.now() / 1000), changes: [{ field: name, value }] }],
  }
}

export type Body = Json | string | Buffer

/** Delivers as Meta would: signed over the very bytes. */
export function post(origin: string, body: Body, secret: Secret = SECRETS.appSecret): Promise<Response> {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return fetch(`${origin}/webhook/meta`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': sign(bytes, secret) },
    body: new Uint8Array(bytes),
  })
}

/** Delivers, all at once, and waits until everything delivered so far is processed. */
export async function deliver(harness: Harness, ...bodies: Body[]): Promise<void> {
  const answers = await Promise.all(bodies.map((body) => post(harness.origin, body)))
  expect(answers.map((answer) => answer.status)).toEqual(bodies.map(() => 200))
  await processed(harness)
}

export async function processed({ db }: Harness): Promise<void> {
  const open = () => db.sql`
    select 1 from webhook_events where processed_at is null
    union all select 1 from outbox where name = 'wa/webhook.received' and state <> 'done'`
  await expect.poll(async () => (await open()).length, { timeout: 10_000, interval: 20 }).toBe(0)
}
