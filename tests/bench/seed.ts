import { addNumber } from '../integration/server/fixtures.ts'
import type { Stack } from './stack.ts'

const NUMBERS = 5
const CONTACTS = 2_000

/** When the oldest message came. */
export const LONG_AGO = new Date(Date.now() - 30 * 86_400_000)

export interface Seeded {
  /** Meta's ids. */
  readonly numbers: readonly string[]
  /** Conversations. */
  readonly contacts: readonly string[]
}

/** Messages of the last thirty days on several numbers, every tenth of them our own. */
export async function seedMessages(stack: Stack, size: number): Promise<Seeded> {
  const { sql, client } = stack
  const numbers = [stack.number]
  for (let n = 1; n < NUMBERS; n += 1)
    numbers.push(await addNumber(sql, client, { waId: `30000000000000${n}` }))
  const ids = `{${numbers.map(({ id }) => id).join(',')}}`
  // Notices and foreign keys of a million rows would take longer than the measure.
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`
    await tx`set local statement_timeout = 0`
    await tx`
      insert into contacts (phone_number_id, wa_id, bsuid, profile_name, last_message_at)
      select (${ids}::text::uuid[])[1 + n % ${NUMBERS}::int], '1555' || lpad(n::text, 7, '0'), 'US.' || n, 'Person ' || n, now()
      from generate_series(1, ${CONTACTS}::int) n`
    await tx`
      with people as (select id, phone_number_id, row_number() over (order by wa_id) as n from contacts)
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, wa_message_id, status,
        wa_timestamp, created_at)
      select people.phone_number_id, people.id, ${client.id}, case when m % 10 = 0 then 'outbound' else 'inbound' end, 'text',
        'Message ' || m || ' about order ' || m % 997, 'wamid.SEED.' || m, case when m % 10 = 0 then 'read' else 'received' end,
        at, at
      from generate_series(1, ${size}::int) m
      join people on people.n = 1 + (m * 7919::bigint) % ${CONTACTS}::int
      cross join lateral (select ${LONG_AGO}::timestamptz + (now() - ${LONG_AGO}::timestamptz) * m / ${size}::int as at) moment`
  })
  await sql.unsafe('vacuum analyze contacts, messages')
  const contacts = await sql<{ id: string }[]>`select id from contacts order by random() limit 200`
  return { numbers: numbers.map(({ waId }) => waId), contacts: contacts.map(({ id }) => id) }
}
