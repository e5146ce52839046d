import * as z from 'zod'
import type { ClientScope } from '../db/scoped.ts'
import { ToolError } from '../mcp/tool-error.ts'

/** How tools name a message. */
export const messageField = z
  .string()
  .min(1)
  .max(512)
  .describe('The message_id of get_messages, or its wamid.')

/** A message the caller may see. */
export interface MessageRef {
  readonly id: string
  readonly numberId: string
  readonly contactId: string
  readonly wamid: string | null
  readonly direction: 'inbound' | 'outbound'
  readonly type: string
  readonly createdAt: Date
}

const uuid = z.uuid()

/** A wamid may be known on several of the caller's numbers; the newest wins. */
export async function findMessage(db: ClientScope, reference: string): Promise<MessageRef | undefined> {
  const isId = uuid.safeParse(reference).success
  const [row] = await db.read(
    (sql) => sql<MessageRef[]>`
      select id, phone_number_id as "numberId", contact_id as "contactId", wa_message_id as wamid, direction,
        message_type as type, created_at as "createdAt"
      from messages where ${isId ? sql`id = ${reference}` : sql`wa_message_id = ${reference}`}
      order by created_at desc limit 1`,
  )
  return row
}

/** @throws ToolError `message_not_found` */
export async function requireMessage(db: ClientScope, reference: string): Promise<MessageRef> {
  const found = await findMessage(db, reference)
  if (found) return found
  throw new ToolError('There is no such message on this number.', {
    code: 'message_not_found',
    category: 'not_found',
    hint: 'Take the message_id from get_messages or search_messages.',
  })
}

/**
 * The wamid of a message that has reached, or come from, WhatsApp.
 *
 * @throws ToolError `message_not_found`, or `message_not_sent` for one of ours that is not with Meta.
 */
export async function requireWamid(db: ClientScope, reference: string): Promise<string> {
  const { wamid } = await requireMessage(db, reference)
  if (wamid !== null) return wamid
  throw new ToolError('That message is not with WhatsApp (yet).', {
    code: 'message_not_sent',
    category: 'invalid_input',
    hint: 'Look at its status with get_message first.',
  })
}

/** For a tool's `locate`. */
export async function locateMessage(
  { message_id }: { message_id: string },
  db: ClientScope,
): Promise<string | undefined> {
  return (await findMessage(db, message_id))?.numberId
}
