import type { Grant, Grants } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import { coversNumber, coversTool } from '../auth/scopes.ts'
import type { Database } from '../db/pool.ts'
import { ClientScope } from '../db/scoped.ts'
import { conversation, messages } from './all.ts'

/** Grants on numbers whose messages the caller may read, as of now. */
export async function readableNumbers(grants: Grants, identity: Identity): Promise<readonly Grant[]> {
  const { tool } = messages
  if (!coversTool(identity.scopes, tool)) return []
  const all = await grants.of(identity.clientId, identity.isOwner)
  return all.filter(
    ({ number, verbs, allowedTools }) =>
      coversNumber(identity.scopes, number.waId) &&
      verbs.includes('read') &&
      (allowedTools === null || allowedTools.includes(tool)),
  )
}

/** Whether the caller may hear of changes of a resource. Only messages announce themselves. */
export async function canWatch(
  o: { readonly sql: Database; readonly grants: Grants },
  uri: string,
  identity: Identity,
): Promise<boolean> {
  const waId = messages.pattern.exec(uri)?.[1]
  const conversationId = conversation.pattern.exec(uri)?.[1]
  if (waId === undefined && conversationId === undefined) return false
  const readable = await readableNumbers(o.grants, identity)
  if (waId !== undefined) return readable.some(({ number }) => number.waId === waId)
  const numberIds = readable.map(({ number }) => number.id)
  const db = new ClientScope(o.sql, { clientId: identity.clientId, numberIds })
  const rows = await db.read((sql) => sql`select 1 from contacts where id = ${conversationId ?? ''}`)
  return rows.length > 0
}
