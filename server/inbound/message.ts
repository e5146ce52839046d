import { readContent } from './content.ts'
import { identityChange } from './identity-change.ts'
import type { Item, Person } from './items.ts'
import { identifier, type Json, moment, object, phoneDigits, present } from './json.ts'
import type { People } from './people.ts'

const TYPE = /^[a-z][a-z0-9_]{0,63}$/
/** Sent by the platform, or no words at all: Meta's window is about what the customer says. */
const OPENS_NO_WINDOW = new Set(['reaction', 'system', 'unsupported', 'edit', 'revoke'])

/**
 * One of `messages` or `message_echoes`. A type we do not know becomes a message of that name with its content in `raw`.
 * Source: Meta, Webhooks > reference of `messages`, one page per type.
 */
export function parseMessage(message: Json, o: { number: string; people: People; echo?: boolean }): Item {
  const wamid = identifier(message.id)
  const type = typeof message.type === 'string' && TYPE.test(message.type) ? message.type : 'unknown'
  const change = type === 'system' ? identityChange(message) : null
  const person = change?.after ?? o.people.complete(o.echo ? addressee(message) : sender(message))
  if (wamid === null || (person.bsuid ?? person.waId) === null) return { kind: 'ignored', what: 'malformed' }

  const { body, payload, media } = readContent(type, message)
  const context = object(message.context)
  const groupId = identifier(message.group_id)
  return {
    kind: 'message',
    number: o.number,
    direction: o.echo ? 'outbound' : 'inbound',
    wamid,
    person,
    type,
    body,
    payload: present({
      ...payload,
      forwarded: context.forwarded === true || context.frequently_forwarded === true || null,
      referredProduct: context.referred_product,
      referral: message.referral,
      groupId,
    }),
    replyTo: identifier(context.id),
    at: moment(message.timestamp),
    opensWindow: !o.echo && groupId === null && !OPENS_NO_WINDOW.has(type),
    media,
    identityChange: change,
    raw: message,
  }
}

function sender(message: Json): Person {
  return {
    bsuid: identifier(message.from_user_id),
    parentBsuid: identifier(message.from_parent_user_id),
    waId: phoneDigits(message.from),
    username: null,
    name: null,
  }
}

function addressee(message: Json): Person {
  const waId = phoneDigits(message.to)
  return { bsuid: identifier(message.to_user_id), parentBsuid: null, waId, username: null, name: null }
}
