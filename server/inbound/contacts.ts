import type { Transaction } from '../db/pool.ts'
import type { Contact } from './contact.ts'
import { Directory } from './directory.ts'
import type { Person } from './items.ts'

/**
 * Reads the contacts of a number that go, or went, by one of these ids. Hold the number's lock ({@link lockNumber}) from here
 * until {@link saveContacts}: what is decided in between rests on nobody else changing them.
 */
export async function loadContacts(
  sql: Transaction,
  numberId: string,
  people: readonly Pick<Person, 'bsuid' | 'waId'>[],
): Promise<Directory> {
  const bsuids = JSON.stringify([...new Set(people.flatMap(({ bsuid }) => bsuid ?? []))])
  const waIds = JSON.stringify([...new Set(people.flatMap(({ waId }) => waId ?? []))])
  const rows = await sql<(Omit<Contact, 'mergedInto'> & { formerBsuids: string[] })[]>`
    with former as (
      select distinct on (bsuid) bsuid, contact_id from contact_identities
      where phone_number_id = ${numberId} and bsuid in (select jsonb_array_elements_text(${bsuids}::text::jsonb))
      order by bsuid, id desc
    ), wanted as (
      select id from contacts
      where phone_number_id = ${numberId} and bsuid in (select jsonb_array_elements_text(${bsuids}::text::jsonb))
      union
      select id from contacts
      where phone_number_id = ${numberId} and wa_id in (select jsonb_array_elements_text(${waIds}::text::jsonb))
      union
      select contact_id from former
    )
    select id, created_at as "createdAt", wa_id as "storedWaId", bsuid, parent_bsuid as "parentBsuid", wa_id as "waId",
      username, profile_name as "profileName", last_inbound_at as "lastInboundAt",
      window_expires_at as "windowExpiresAt", last_message_at as "lastMessageAt",
      marketing_opt_out_at as "optedOutAt",
      coalesce((select json_agg(bsuid) from former where contact_id = contacts.id), '[]') as "formerBsuids"
    from contacts where id in (select id from wanted)`
  const contacts = rows.map(({ formerBsuids, ...row }) => ({
    formerBsuids,
    contact: { ...row, mergedInto: null },
  }))
  return new Directory(
    contacts.map(({ contact }) => contact),
    new Map(contacts.flatMap(({ contact, formerBsuids }) => formerBsuids.map((bsuid) => [bsuid, contact]))),
  )
}

/** Writes what the directory decided. Messages of merged contacts move to the one that stays. */
export async function saveContacts(sql: Transaction, numberId: string, directory: Directory): Promise<void> {
  const { touched, merged, former } = directory
  if (merged.length > 0) await mergeRows(sql, merged)
  await freeNumbers(sql, touched)
  if (touched.length > 0) await upsert(sql, numberId, touched)
  if (former.length > 0) {
    const rows = former.map(({ contact, bsuid, waId, reason }) => ({
      contact_id: contact.id,
      bsuid,
      wa_id: waId,
      reason,
    }))
    await sql`
      insert into contact_identities (phone_number_id, contact_id, bsuid, wa_id, reason)
      select ${numberId}::uuid, f.* from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
        as f(contact_id uuid, bsuid text, wa_id text, reason text)`
  }
}

async function mergeRows(sql: Transaction, merged: readonly Contact[]): Promise<void> {
  for (const loser of merged) {
    const winner = loser.mergedInto
    if (winner === null) continue
    await sql`update messages set contact_id = ${winner.id} where contact_id = ${loser.id}`
    await sql`update contact_identities set contact_id = ${winner.id} where contact_id = ${loser.id}`
    await sql`delete from contacts where id = ${loser.id}`
  }
}

/**
 * Phone numbers that move from one contact to another would meet half-way within one statement, and a contact known by the
 * number alone cannot be without one. So each is parked under a name of its own first.
 */
async function freeNumbers(sql: Transaction, touched: readonly Contact[]): Promise<void> {
  const moving = touched.filter(({ storedWaId, waId }) => storedWaId !== null && storedWaId !== waId)
  if (moving.length === 0) return
  await sql`update contacts set wa_id = 'moving ' || id where id in ${sql(moving.map(({ id }) => id))}`
}

async function upsert(sql: Transaction, numberId: string, touched: readonly Contact[]): Promise<void> {
  const rows = touched.map((contact) => ({
    id: contact.id,
    bsuid: contact.bsuid,
    parent_bsuid: contact.parentBsuid,
    wa_id: contact.waId,
    username: contact.username,
    profile_name: contact.profileName,
    last_inbound_at: contact.lastInboundAt,
    window_expires_at: contact.windowExpiresAt,
    last_message_at: contact.lastMessageAt,
    marketing_opt_out_at: contact.optedOutAt,
  }))
  await sql`
    insert into contacts (phone_number_id, id, bsuid, parent_bsuid, wa_id, username, profile_name,
      last_inbound_at, window_expires_at, last_message_at, marketing_opt_out_at)
    select ${numberId}::uuid, c.* from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as c(id uuid, bsuid text, parent_bsuid text, wa_id text, username text, profile_name text,
        last_inbound_at timestamptz, window_expires_at timestamptz, last_message_at timestamptz,
        marketing_opt_out_at timestamptz)
    on conflict (id) do update set
      bsuid = excluded.bsuid, parent_bsuid = excluded.parent_bsuid, wa_id = excluded.wa_id,
      username = excluded.username, profile_name = excluded.profile_name,
      -- What is stored is finer than what went through JavaScript, and must not go back by a fraction.
      last_inbound_at = greatest(contacts.last_inbound_at, excluded.last_inbound_at),
      window_expires_at = greatest(contacts.window_expires_at, excluded.window_expires_at),
      last_message_at = greatest(contacts.last_message_at, excluded.last_message_at),
      marketing_opt_out_at = excluded.marketing_opt_out_at, updated_at = now()`
}
