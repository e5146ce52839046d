import type { Queryable, Transaction } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import type { Recipient } from './outbound.ts'

/** Somebody to write to, known or not. */
export interface Addressee {
  /** null: nobody has written to or from this person on the number yet. */
  readonly contactId: string | null
  /** Digits. */
  readonly waId: string | null
  readonly bsuid: string | null
  /** Has written to us at some time. */
  readonly isKnown: boolean
  readonly windowExpiresAt: Date | null
  readonly optedOutOfMarketing: boolean
}

const BSUID = /^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/

/**
 * E.164 without its `+`.
 *
 * @throws ToolError `invalid_phone` when the country code, or enough digits, are missing: Meta would put our own country code
 *   in front and reach a stranger.
 */
export function normalisePhone(phone: string): string {
  const digits = phone.replace(/[\s().-]/g, '')
  if (/^\+[1-9]\d{7,14}$/.test(digits)) return digits.slice(1)
  throw new ToolError('The recipient is no phone number with country code.', {
    code: 'invalid_phone',
    category: 'invalid_input',
    hint: 'Write it as + and 8 to 15 digits, such as +15550002222.',
  })
}

/**
 * Looks the recipient up among the contacts of a number.
 *
 * @param numberId `phone_numbers.id`
 * @throws ToolError `invalid_recipient`, `invalid_phone`, or `conversation_not_found` for one of another number.
 */
export async function findAddressee(sql: Queryable, numberId: string, to: Recipient): Promise<Addressee> {
  if (Object.values(to).filter((value) => value !== undefined).length !== 1) throw invalidRecipient()
  const waId = to.phone === undefined ? null : normalisePhone(to.phone)
  const bsuid = to.bsuid ?? null
  if (bsuid !== null && !BSUID.test(bsuid)) throw invalidRecipient()
  const [found] = await sql<Addressee[]>`
    select id as "contactId", wa_id as "waId", bsuid, last_inbound_at is not null as "isKnown",
      window_expires_at as "windowExpiresAt", marketing_opt_out_at is not null as "optedOutOfMarketing"
    from contacts
    where phone_number_id = ${numberId} and (id = ${to.conversation_id ?? null} or bsuid = ${bsuid} or wa_id = ${waId}
      or id = (select contact_id from contact_identities
        where phone_number_id = ${numberId} and wa_id = ${waId} and reason = ${ALIAS} order by id desc limit 1))
    order by wa_id is not distinct from ${waId} desc limit 1`
  if (found) return found
  if (to.conversation_id !== undefined) {
    throw new ToolError('There is no such conversation on this number.', {
      code: 'conversation_not_found',
      category: 'not_found',
      hint: 'Find it with list_conversations or find_contact.',
    })
  }
  return { contactId: null, waId, bsuid, isKnown: false, windowExpiresAt: null, optedOutOfMarketing: false }
}

/** The contact's row, made if this is the first message to it. The caller holds the number's lock. */
export async function ensureContact(sql: Transaction, numberId: string, to: Addressee): Promise<string> {
  if (to.contactId !== null) return to.contactId
  const [made] = await sql<{ id: string }[]>`
    insert into contacts (phone_number_id, wa_id, bsuid) values (${numberId}, ${to.waId}, ${to.bsuid})
    on conflict do nothing returning id`
  if (made) return made.id
  const again = await findAddressee(
    sql,
    numberId,
    to.waId ? { phone: `+${to.waId}` } : { bsuid: to.bsuid ?? '' },
  )
  if (again.contactId === null) throw new Error('a contact that is in the way cannot be found')
  return again.contactId
}

/** What the contact was called when Meta knows it under another number: in some countries it adds or drops a digit. */
const ALIAS = 'alias'

/** Notes what Meta calls a contact, as its answer to a send tells. The caller holds the number's lock. */
export async function learnIdentity(
  sql: Transaction,
  numberId: string,
  contactId: string,
  told: { readonly waId: string | null; readonly bsuid: string | null },
): Promise<void> {
  const [before] = await sql<{ waId: string | null; bsuid: string | null }[]>`
    select wa_id as "waId", bsuid from contacts where id = ${contactId}`
  if (before === undefined) return
  const waId = told.waId ?? before.waId
  // A user id that is there already came from the person's own message and is at least as fresh.
  const bsuid = before.bsuid ?? told.bsuid
  if (waId === before.waId && bsuid === before.bsuid) return
  // Another contact may have it already; the next message from the person joins the two.
  const changed = await sql`
    update contacts set wa_id = ${waId}, bsuid = ${bsuid}, updated_at = now()
    where id = ${contactId} and not exists (select from contacts other where other.phone_number_id = ${numberId}
      and other.id <> ${contactId} and (other.wa_id = ${waId} or other.bsuid = ${bsuid}))`
  if (changed.count === 0) return
  if (before.waId === null || before.waId === waId) return
  await sql`insert into contact_identities (contact_id, phone_number_id, bsuid, wa_id, reason)
    values (${contactId}, ${numberId}, ${before.bsuid}, ${before.waId}, ${ALIAS})`
}

function invalidRecipient(): ToolError {
  return new ToolError('The recipient is not understood.', {
    code: 'invalid_recipient',
    category: 'invalid_input',
    hint: 'Give a conversation id, a phone number with + and country code, or a user id such as US.1234; exactly one.',
  })
}
