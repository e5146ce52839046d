import type { Json } from './json.ts'

/** What a delivery of Meta's is made of, once understood. */
export type Item = MessageItem | StatusItem | PreferenceItem | TemplateItem | LimitItem | IgnoredItem

/** Somebody on WhatsApp. With both ids null it is nobody. */
export interface Person {
  /** Business-scoped user id, the stable one. */
  readonly bsuid: string | null
  readonly parentBsuid: string | null
  /** Digits. */
  readonly waId: string | null
  readonly username: string | null
  readonly name: string | null
}

/** A message from a customer, or one a person of ours sent from the phone app (an echo). */
export interface MessageItem {
  readonly kind: 'message'
  /** Meta's id of our number. */
  readonly number: string
  readonly direction: 'inbound' | 'outbound'
  readonly wamid: string
  /** The customer. */
  readonly person: Person
  /** As Meta names it: `text`, `image` … */
  readonly type: string
  readonly body: string | null
  /** The understood part, with names of ours. */
  readonly payload: Json
  readonly replyTo: string | null
  /** By Meta's clock. */
  readonly at: Date | null
  /** Whether it lets us write freely for the next 24 hours. */
  readonly opensWindow: boolean
  readonly media: MediaRef | null
  /** Set when it says that the customer is known under other ids from now on. */
  readonly identityChange: IdentityChange | null
  /** What Meta sent, sanitised. */
  readonly raw: Json
}

export interface MediaRef {
  readonly kind: 'image' | 'document' | 'audio' | 'video' | 'sticker'
  readonly id: string
  readonly mimeType: string | null
  readonly filename: string | null
}

export interface IdentityChange {
  readonly reason: 'user_changed_number' | 'user_changed_user_id'
  readonly before: Pick<Person, 'bsuid' | 'waId'>
  readonly after: Person
}

/** What became of a message of ours. */
export interface StatusItem {
  readonly kind: 'status'
  readonly number: string
  readonly wamid: string
  /** `sent`, `delivered`, `read`, `played`, `failed`, or something new. */
  readonly status: string
  /** Only tells events of a group apart; '' otherwise possible. */
  readonly recipient: string
  readonly person: Person
  /** `biz_opaque_callback_data`: `messages.id` of what we sent. */
  readonly callback: string | null
  readonly at: Date | null
  readonly error: Json | null
  readonly pricing: Json | null
}

/** A customer wants no more marketing, or wants it again. */
export interface PreferenceItem {
  readonly kind: 'preference'
  readonly number: string
  readonly person: Person
  readonly choice: 'stop' | 'resume'
  readonly at: Date
}

/** Something changed about a template of a business account. */
export interface TemplateItem {
  readonly kind: 'template'
  readonly waba: string
  readonly templateId: string | null
  readonly name: string | null
  /** With `_`, as the list of templates writes it. */
  readonly language: string | null
  /** null: as it was. */
  readonly status: string | null
  readonly category: string | null
  readonly quality: string | null
  readonly reason: string | null
}

/** How many customers a number may write to first, per day. */
export interface LimitItem {
  readonly kind: 'limit'
  readonly waba: string
  /** Digits. */
  readonly displayNumber: string
  readonly limit: string
}

/** Nothing for us, or nothing we understand. Stays in the stored delivery. */
export interface IgnoredItem {
  readonly kind: 'ignored'
  /** For the audit: the name of the field where we know it, `other`, `errors` or `malformed`. */
  readonly what: string
}
