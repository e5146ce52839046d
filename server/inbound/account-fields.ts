import type { Item, TemplateItem } from './items.ts'
import { identifier, type Json, phoneDigits, text } from './json.ts'

/** What a template's state is after an event that is not named like a state. */
const STATUS_AFTER: Readonly<Record<string, string>> = { REINSTATED: 'APPROVED' }
const STATUSES = new Set([
  'APPROVED',
  'PENDING',
  'REJECTED',
  'PAUSED',
  'DISABLED',
  'IN_APPEAL',
  'LIMIT_EXCEEDED',
  'ARCHIVED',
  'DELETED',
  'PENDING_DELETION',
])

/**
 * Fields about the account as a whole. They name the business account and no number.
 *
 * @returns undefined for a field we have no use for.
 */
export function parseAccountChange(waba: string, field: string, value: Json): Item | undefined {
  switch (field) {
    case 'message_template_status_update': {
      const event = text(value.event, 64) ?? ''
      const status = STATUS_AFTER[event] ?? event
      return {
        ...template(waba, value),
        status: STATUSES.has(status) ? status : null,
        reason: text(value.reason, 500),
      }
    }
    case 'message_template_quality_update':
      return { ...template(waba, value), quality: text(value.new_quality_score, 64) }
    case 'template_category_update':
      return { ...template(waba, value), category: text(value.new_category, 64) }
    case 'message_template_components_update':
      return template(waba, value)
    case 'phone_number_quality_update': {
      const displayNumber = phoneDigits(value.display_phone_number)
      const limit = text(value.max_daily_conversations_per_business ?? value.current_limit, 64)
      return displayNumber && limit ? { kind: 'limit', waba, displayNumber, limit } : undefined
    }
  }
}

function template(waba: string, value: Json): TemplateItem {
  return {
    kind: 'template',
    waba,
    templateId: identifier(value.message_template_id),
    name: text(value.message_template_name, 512),
    language: text(value.message_template_language, 32)?.replace('-', '_') ?? null,
    status: null,
    category: null,
    quality: null,
    reason: null,
  }
}
