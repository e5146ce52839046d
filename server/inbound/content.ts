import type { MediaRef } from './items.ts'
import { identifier, isObject, type Json, object, objects, present, text } from './json.ts'
import { parseJson } from './sanitise.ts'
import { parseError } from './status.ts'

/** What a message says: for people and the search, for programs, and as a file. */
export interface Content {
  readonly body: string | null
  readonly payload: Json
  readonly media: MediaRef | null
}

/** Far above what WhatsApp lets people write; the search index takes no megabytes. */
const LONGEST_BODY = 65_536
const NOTHING: Content = { body: null, payload: {}, media: null }

/** Reads the object named like the type. */
export function readContent(type: string, message: Json): Content {
  const content = object(message[type])
  switch (type) {
    case 'text':
      return says(content.body)
    case 'image':
    case 'video':
    case 'audio':
    case 'document':
    case 'sticker':
      return readMedia(type, content)
    case 'location':
      return readLocation(content)
    case 'contacts':
      return readContacts(objects(message.contacts))
    case 'interactive':
      return readInteractive(content)
    case 'button':
      return says(content.text, { selectedId: text(content.payload, 1_024) })
    case 'reaction':
      // Without an emoji it takes an earlier reaction back.
      return says(content.emoji, {
        messageId: identifier(content.message_id),
        emoji: text(content.emoji, 64),
        removed: text(content.emoji, 64) === null || null,
      })
    case 'order':
      return says(content.text, { catalogId: content.catalog_id, items: content.product_items })
    case 'system':
      return says(content.body, { kind: text(content.type, 64) })
    case 'edit':
      return readEdit(content)
    case 'revoke':
      return says(null, { originalMessageId: identifier(content.original_message_id) })
    case 'unsupported':
      return says(null, {
        kind: text(content.type, 64),
        errors: objects(message.errors).map((error) => parseError(error)),
      })
    default:
      return NOTHING
  }
}

function says(body: unknown, payload: Readonly<Record<string, unknown>> = {}): Content {
  return { body: text(body, LONGEST_BODY), payload: present(payload), media: null }
}

function readMedia(kind: MediaRef['kind'], content: Json): Content {
  const id = identifier(content.id)
  const mimeType = text(content.mime_type, 255)
  const filename = text(content.filename, 255)
  const { voice, animated } = content
  const said = says(content.caption, { mimeType, filename, voice, animated })
  return { ...said, media: id === null ? null : { kind, id, mimeType, filename } }
}

function readLocation(content: Json): Content {
  const { latitude, longitude, url } = content
  const [name, address] = [text(content.name, 1_000), text(content.address, 1_000)]
  const words = [name, address].filter((part) => part !== null).join(', ')
  return says(words, { latitude, longitude, name, address, url })
}

function readContacts(cards: readonly Json[]): Content {
  const contacts = cards.map((card) =>
    present({
      name: text(object(card.name).formatted_name, 1_000),
      phones: objects(card.phones),
      emails: objects(card.emails),
      organisation: text(object(card.org).company, 1_000),
      origin: card.origin,
    }),
  )
  const names = contacts.map(({ name }) => name).filter((name) => name !== undefined)
  return says(names.join(', '), { contacts })
}

/** A choice among what we offered, or the answers to a form (`nfm_reply`), which come as JSON in a string. */
function readInteractive(content: Json): Content {
  const kind = text(content.type, 64) ?? 'unknown'
  const reply = object(content[kind])
  if (kind === 'nfm_reply') {
    const answers = typeof reply.response_json === 'string' ? parseJson(reply.response_json) : undefined
    const response = isObject(answers) ? answers : null
    return says(reply.body, { kind, name: text(reply.name, 256), response })
  }
  return says(reply.title, {
    kind,
    selectedId: text(reply.id, 1_024),
    description: text(reply.description, 1_024),
  })
}

function readEdit(content: Json): Content {
  const message = object(content.message)
  const type = text(message.type, 64) ?? 'unknown'
  // An edit of an edit is not a thing; looking one level deep keeps a crafted chain from recursing.
  const { body } = type === 'edit' ? NOTHING : readContent(type, message)
  return says(body, { originalMessageId: identifier(content.original_message_id), type })
}
