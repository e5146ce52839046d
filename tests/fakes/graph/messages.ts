import { GraphFailure, refuseUnless } from './failure.ts'
import { checkInteractive } from './interactive.ts'
import { type Json, object, text } from './json.ts'
import { checkTemplateMessage, type FakeTemplate } from './templates.ts'

/** What a message may refer to. */
export interface Surroundings {
  readonly templates: readonly FakeTemplate[]
  /** Whether the media id was uploaded by (or sent to) the number. */
  knowsMedia(id: string): boolean
}

const KEYS = new Set([
  'messaging_product',
  'recipient_type',
  'to',
  'recipient',
  'type',
  'context',
  'biz_opaque_callback_data',
  'messaging_account_id',
  'recipient_identity_key_hash',
])

/**
 * Refuses a message as Meta would: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
 *
 * @returns to whom it goes: a phone number with `+`, or a business-scoped user id.
 */
export function checkMessage(body: Json, around: Surroundings): string {
  refuseUnless(body.messaging_product === 'whatsapp', 100, 'messaging_product must be whatsapp')
  const type = text(body.type, 'type', 20)
  const check = TYPES[type]
  refuseUnless(check, 100, `type ${type} is not known`)
  const foreign = Object.keys(body).find((key) => key !== type && !KEYS.has(key))
  refuseUnless(foreign === undefined, 100, `unexpected key ${foreign}`)
  if (body.context !== undefined) checkWamid(object(body.context, 'context').message_id)
  if (body.biz_opaque_callback_data !== undefined)
    text(body.biz_opaque_callback_data, 'biz_opaque_callback_data', 512)
  check(object(body[type], type), around)
  return recipientOf(body)
}

function recipientOf(body: Json): string {
  if (body.to !== undefined) {
    const to = text(body.to, 'to', 20)
    // Meta would put the business's own country code in front and reach somebody else.
    refuseUnless(/^\+[1-9]\d{7,14}$/.test(to), 100, 'to must be a phone number with +')
    return to
  }
  const recipient = text(body.recipient, 'to or recipient', 140)
  refuseUnless(/^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/.test(recipient), 100, 'recipient is no user id')
  return recipient
}

function checkWamid(value: unknown): void {
  refuseUnless(text(value, 'message_id', 512).startsWith('wamid.'), 131009, 'message_id is not valid')
}

function checkMedia(kind: string, media: Json, around: Surroundings): void {
  const { id, link, caption, filename, voice } = media
  refuseUnless((id === undefined) !== (link === undefined), 100, `${kind} needs an id or a link`)
  if (id !== undefined)
    refuseUnless(around.knowsMedia(text(id, `${kind}.id`, 200)), 131009, `${kind}.id is not known`)
  else refuseUnless(URL.canParse(text(link, `${kind}.link`, 2048)), 131009, `${kind}.link is no URL`)
  if (caption !== undefined) {
    refuseUnless(!['audio', 'sticker'].includes(kind), 100, `${kind} takes no caption`)
    text(caption, `${kind}.caption`, 1024)
  }
  refuseUnless(filename === undefined || kind === 'document', 100, `${kind} takes no filename`)
  refuseUnless(voice === undefined || kind === 'audio', 100, `${kind} takes no voice`)
}

const media = (kind: string) => (value: Json, around: Surroundings) => checkMedia(kind, value, around)

const TYPES: Readonly<Record<string, (value: Json, around: Surroundings) => void>> = {
  text: ({ body, preview_url }) => {
    text(body, 'text.body', 4096)
    refuseUnless(['boolean', 'undefined'].includes(typeof preview_url), 100, 'preview_url must be a boolean')
  },
  image: media('image'),
  video: media('video'),
  audio: media('audio'),
  document: media('document'),
  sticker: media('sticker'),
  interactive: (value) => checkInteractive(value),
  template: (value, { templates }) => checkTemplateMessage(value, templates),
  reaction: ({ message_id, emoji }) => {
    checkWamid(message_id)
    refuseUnless(typeof emoji === 'string' && emoji.length <= 32, 131009, 'emoji is not valid')
  },
  location: ({ latitude, longitude }) => {
    if (Number.isNaN(Number(latitude)) || Number.isNaN(Number(longitude)))
      throw new GraphFailure(131009, 'latitude and longitude must be numbers')
  },
}

/** Refuses anything but a read receipt, with or without the typing indicator. */
export function checkReceipt(body: Json): void {
  refuseUnless(body.messaging_product === 'whatsapp', 100, 'messaging_product must be whatsapp')
  refuseUnless(body.status === 'read', 131009, 'status must be read')
  checkWamid(body.message_id)
  if (body.typing_indicator !== undefined)
    refuseUnless(
      object(body.typing_indicator, 'typing_indicator').type === 'text',
      131009,
      'typing_indicator',
    )
}
