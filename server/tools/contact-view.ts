import * as z from 'zod'
import type { Grant } from '../auth/grants.ts'
import type { Transaction } from '../db/pool.ts'
import { MICROSECONDS, waIdOf } from './message-view.ts'
import { untrusted, untrustedText } from './untrusted.ts'

/** A person on a number of ours, which is also the conversation with them. */
export const contactSchema = z.object({
  conversation_id: z.string(),
  phone_number_id: z.string(),
  name: untrustedText.nullable().describe('As the person calls themselves'),
  username: untrustedText.nullable(),
  phone: z.string().nullable().describe('E.164; null where the person hides it'),
  bsuid: z.string().nullable().describe('Business-scoped user id'),
  window_open: z.boolean().describe('Whether free text may be sent now; otherwise only templates'),
  window_expires_at: z.string().nullable(),
  marketing_opt_out: z.boolean(),
})

export interface ContactRow {
  readonly contactId: string
  readonly contactNumberId: string
  readonly name: string | null
  readonly username: string | null
  readonly waId: string | null
  readonly bsuid: string | null
  readonly windowOpen: boolean
  readonly windowExpiresAt: Date | null
  readonly optedOut: boolean
  readonly lastMessageAt: string | null
}

/** Columns of a {@link ContactRow}, from `contacts c`. */
export const contactColumns = (sql: Transaction) => sql`
  c.id as "contactId", c.phone_number_id as "contactNumberId", c.profile_name as name, c.username, c.wa_id as "waId", c.bsuid,
  coalesce(c.window_expires_at > now(), false) as "windowOpen", c.window_expires_at as "windowExpiresAt",
  c.marketing_opt_out_at is not null as "optedOut",
  to_char(c.last_message_at at time zone 'UTC', ${MICROSECONDS}::text) as "lastMessageAt"`

/** Whether name, user name, phone number or user id of `contacts c` hold the text. */
export function matchesContact(sql: Transaction, query: string) {
  const text = query.toLowerCase().replace(/^@/, '')
  const digits = /^[+\d\s().-]+$/.test(query) ? query.replace(/\D/g, '') : ''
  const number = digits.length >= 3 ? sql`or c.wa_id like ${`%${digits}%`}` : sql``
  return sql`(position(${text} in lower(c.profile_name)) > 0 or position(${text} in lower(c.username)) > 0
    or c.bsuid = ${query} ${number})`
}

/** A contact as clients see it; whatever people wrote themselves is marked as untrusted. */
export function viewContact(row: ContactRow, grants: readonly Grant[]): z.infer<typeof contactSchema> {
  return {
    conversation_id: row.contactId,
    phone_number_id: waIdOf(row.contactNumberId, grants),
    name: untrusted(row.name, 200),
    username: untrusted(row.username, 200),
    phone: row.waId === null ? null : `+${row.waId}`,
    bsuid: row.bsuid,
    window_open: row.windowOpen,
    window_expires_at: row.windowExpiresAt?.toISOString() ?? null,
    marketing_opt_out: row.optedOut,
  }
}
