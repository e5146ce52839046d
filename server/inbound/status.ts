import type { Item } from './items.ts'
import { identifier, int, type Json, moment, object, objects, phoneDigits, present, text } from './json.ts'

/** One of `statuses`. Source: Meta, Webhooks > "status messages webhook reference". */
export function parseStatus(status: Json, number: string): Item {
  const wamid = identifier(status.id)
  const name = text(status.status, 32)
  if (wamid === null || name === null) return { kind: 'ignored', what: 'malformed' }
  const bsuid = identifier(status.recipient_user_id)
  const waId = phoneDigits(status.recipient_id)
  const participant = identifier(status.recipient_participant_id)
  return {
    kind: 'status',
    number,
    wamid,
    status: name,
    recipient: participant ?? waId ?? bsuid ?? '',
    person: {
      bsuid,
      parentBsuid: identifier(status.parent_recipient_user_id),
      // Of a group, the recipient is nobody in particular.
      waId: participant === null ? waId : null,
      username: null,
      name: null,
    },
    callback: text(status.biz_opaque_callback_data, 512),
    at: moment(status.timestamp),
    error: parseError(objects(status.errors)[0]),
    pricing: parsePricing(object(status.pricing)),
  }
}

/** Meta's error: `{code, title, message, details, href}`, whatever of them is there. */
export function parseError(error: Json | undefined): Json | null {
  if (error === undefined) return null
  return present({
    code: int(error.code),
    title: text(error.title, 500),
    message: text(error.message, 1_000),
    details: text(object(error.error_data).details, 2_000),
    href: text(error.href, 500),
  })
}

function parsePricing(pricing: Json): Json | null {
  const known = present({
    billable: typeof pricing.billable === 'boolean' ? pricing.billable : null,
    pricing_model: text(pricing.pricing_model, 64),
    type: text(pricing.type, 64),
    category: text(pricing.category, 64),
  })
  return Object.keys(known).length > 0 ? known : null
}
