import type { IdentityChange } from './items.ts'
import { identifier, type Json, object, phoneDigits } from './json.ts'

/**
 * What a `system` message says about who somebody is from now on; null when it says something else.
 * Source: Meta, Webhooks > "system messages webhook reference", and "business-scoped user IDs".
 */
export function identityChange(message: Json): IdentityChange | null {
  const system = object(message.system)
  const reason = system.type
  if (reason !== 'user_changed_number' && reason !== 'user_changed_user_id') return null
  const bsuid = identifier(system.user_id)
  const waId = phoneDigits(system.wa_id)
  if ((bsuid ?? waId) === null) return null
  // Older payloads name the previous user only as the sender.
  const sender = identifier(message.from_user_id)
  const from = phoneDigits(message.from)
  return {
    reason,
    before: {
      bsuid: identifier(system.previous_user_id) ?? (sender === bsuid ? null : sender),
      waId: from === waId ? null : from,
    },
    after: { bsuid, parentBsuid: identifier(system.parent_user_id), waId, username: null, name: null },
  }
}
