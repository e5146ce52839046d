import * as z from 'zod'
import type { ClientScope } from '../db/scoped.ts'
import type { Recipient } from '../outbound/outbound.ts'

/** How every tool that sends names the person. */
export const recipientField = z
  .string()
  .min(1)
  .max(140)
  .describe(
    'Who gets it: a conversation_id, a phone number with + and country code (+15550002222), or a user id (US.1234).',
  )

const uuid = z.uuid()

/** Tells by its form what was given; whether there is such a person is found out later. */
export function parseRecipient(to: string): Recipient {
  if (uuid.safeParse(to).success) return { conversation_id: to }
  return /^[A-Za-z]{2}\./.test(to) ? { bsuid: to } : { phone: to }
}

/** The number a conversation is on, for a tool's `locate`; other recipients are on no number in particular. */
export async function locateRecipient({ to }: { to: string }, db: ClientScope): Promise<string | undefined> {
  const { conversation_id: id } = parseRecipient(to)
  if (id === undefined) return undefined
  const [row] = await db.read(
    (sql) => sql<{ numberId: string }[]>`select phone_number_id as "numberId" from contacts where id = ${id}`,
  )
  return row?.numberId
}
