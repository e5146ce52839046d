import type { Transaction } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { UUID } from './input.ts'

/**
 * Finds a conversation by its id, by phone number (with or without `+`) or by business-scoped user id, among the numbers the
 * transaction sees; former phone numbers and ids of a person count too.
 *
 * @returns `contacts.id` and the number's.
 * @throws ToolError `conversation_not_found`
 */
export async function findConversation(
  sql: Transaction,
  numberIds: readonly string[],
  text: string,
): Promise<{ id: string; numberId: string }> {
  const id = UUID.test(text) ? text : null
  const waId = /^\+?(\d{6,20})$/.exec(text)?.[1] ?? null
  const bsuid = id === null && waId === null ? text : null
  const [found] = await sql<{ id: string; numberId: string }[]>`
    select c.id, c.phone_number_id as "numberId" from contacts c
    where c.phone_number_id in ${sql(numberIds)} and (c.id = ${id} or c.wa_id = ${waId} or c.bsuid = ${bsuid}
      or c.id in (select contact_id from contact_identities i
        where i.phone_number_id in ${sql(numberIds)} and (i.wa_id = ${waId} or i.bsuid = ${bsuid})))
    order by (c.wa_id is not distinct from ${waId} or c.bsuid is not distinct from ${bsuid}) desc, c.id limit 1`
  if (found) return found
  throw new ToolError('There is no such conversation.', {
    code: 'conversation_not_found',
    category: 'not_found',
    hint: 'Find it with list_conversations or find_contact.',
  })
}
