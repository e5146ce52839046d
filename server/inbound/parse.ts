import { parseAccountChange } from './account-fields.ts'
import type { Item } from './items.ts'
import { identifier, isObject, type Json, moment, object, objects } from './json.ts'
import { parseMessage } from './message.ts'
import { People, readPerson } from './people.ts'
import { parseJson, sanitise } from './sanitise.ts'
import { parseStatus } from './status.ts'

/** Fields we may be subscribed to and have no use for. What is in none of our lists is told as `other`. */
const UNUSED = new Set([
  'account_alerts',
  'account_update',
  'business_capability_update',
  'business_username_update',
  'calls',
  'flows',
  'history',
  'phone_number_name_update',
  'security',
  'smb_app_state_sync',
  'standby',
])

/**
 * Takes a delivery apart. Whatever is missing, new or of another type is left out or kept in `raw`, never an error.
 * Source of the shapes: Meta, WhatsApp Cloud API > Webhooks > reference of `messages` and the other fields.
 *
 * @returns null when the bytes are not JSON, or not about a WhatsApp account.
 */
export function parseDelivery(body: Buffer): readonly Item[] | null {
  const parsed = parseJson(body.toString('utf8'))
  if (!isObject(parsed) || parsed.object !== 'whatsapp_business_account') return null
  const envelope = object(sanitise(parsed))
  return objects(envelope.entry).flatMap((entry) =>
    objects(entry.changes).flatMap((change) =>
      parseChange(identifier(entry.id) ?? '', String(change.field), object(change.value)),
    ),
  )
}

function parseChange(waba: string, field: string, value: Json): readonly Item[] {
  const number = identifier(object(value.metadata).phone_number_id)
  if (number !== null) {
    const people = new People(objects(value.contacts))
    switch (field) {
      case 'messages':
        return [
          ...objects(value.messages).map((message) => parseMessage(message, { number, people })),
          ...objects(value.statuses).map((status) => parseStatus(status, number)),
          ...objects(value.errors).map(() => ignored('errors')),
        ]
      case 'smb_message_echoes':
        return objects(value.message_echoes).map((message) =>
          parseMessage(message, { number, people, echo: true }),
        )
      case 'user_preferences':
        return objects(value.user_preferences).map((preference) =>
          parsePreference(preference, number, people),
        )
    }
  }
  return [parseAccountChange(waba, field, value) ?? ignored(UNUSED.has(field) ? field : 'other')]
}

function parsePreference(preference: Json, number: string, people: People): Item {
  const person = people.complete(readPerson(preference))
  const at = moment(preference.timestamp)
  const choice = preference.value
  if ((person.bsuid ?? person.waId) === null || at === null || (choice !== 'stop' && choice !== 'resume')) {
    return ignored('malformed')
  }
  return { kind: 'preference', number, person, choice, at }
}

function ignored(what: string): Item {
  return { kind: 'ignored', what }
}
