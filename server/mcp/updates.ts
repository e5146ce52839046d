import * as z from 'zod'
import type { Identity } from '../auth/identity.ts'
import type { Listener } from '../db/listener.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { conversationUri, messagesUri } from '../resources/uris.ts'
import { Coalescer } from './coalesce.ts'

/** Somebody who hears of changes. */
export interface Subscriber {
  readonly identity: Identity
  readonly uris: ReadonlySet<string>
  /** `preview` says what happened; it holds neither text nor phone number. */
  send(uri: string, preview: Readonly<Record<string, unknown>>): void
}

/** The payload of `notify_message()` in the schema. */
const noticeSchema = z.object({
  kind: z.enum(['message', 'status']),
  number: z.string(),
  contact: z.string(),
  client: z.string(),
  message: z.string(),
  wamid: z.string().nullable(),
  direction: z.enum(['inbound', 'outbound']),
  type: z.string(),
  status: z.string(),
})
type Notice = z.infer<typeof noticeSchema>

export interface UpdatesOptions {
  readonly listener: Listener
  readonly numbers: Pick<Numbers, 'byId'>
  /** Whether this caller may watch this resource, as of now. */
  readonly canWatch: (uri: string, identity: Identity) => Promise<boolean>
  readonly log: Logger
}

/** Carries what the database announces to the streams of this process that asked for it, and to no others. */
export class Updates {
  readonly #subscribers = new Map<Subscriber, Coalescer<Readonly<Record<string, unknown>>>>()
  readonly #o: UpdatesOptions
  readonly #unsubscribe: () => void

  constructor(options: UpdatesOptions) {
    this.#o = options
    this.#unsubscribe = options.listener.on('messages', {
      onNotice: (payload) => {
        const told = payload === '' ? this.#tellAll() : this.#tell(noticeSchema.parse(JSON.parse(payload)))
        told.catch((err: unknown) => options.log.error({ err }, 'update_not_delivered'))
      },
    })
  }

  /** @returns a function that ends it. */
  add(subscriber: Subscriber): () => void {
    const coalescer = new Coalescer<Readonly<Record<string, unknown>>>((uri, preview) =>
      subscriber.send(uri, preview),
    )
    this.#subscribers.set(subscriber, coalescer)
    return () => {
      coalescer.close()
      this.#subscribers.delete(subscriber)
    }
  }

  close(): void {
    this.#unsubscribe()
    for (const coalescer of this.#subscribers.values()) coalescer.close()
    this.#subscribers.clear()
  }

  async #tell(notice: Notice): Promise<void> {
    if (this.#subscribers.size === 0) return
    const number = await this.#o.numbers.byId(notice.number)
    if (number === undefined) return
    const uris = [messagesUri(number.waId), conversationUri(notice.contact)]
    for (const [subscriber, coalescer] of this.#subscribers) {
      // What others send is not theirs to know, though they share the number.
      if (notice.direction === 'outbound' && notice.client !== subscriber.identity.clientId) continue
      for (const uri of uris) {
        if (
          !subscriber.uris.has(uri) ||
          !(await this.#o.canWatch(messagesUri(number.waId), subscriber.identity))
        )
          continue
        coalescer.push(uri, previewOf(notice))
      }
    }
  }

  /** Nothing was heard for a while, so everything may have changed. */
  async #tellAll(): Promise<void> {
    for (const [subscriber, coalescer] of this.#subscribers)
      for (const uri of subscriber.uris)
        if (await this.#o.canWatch(uri, subscriber.identity)) coalescer.push(uri, {})
  }
}

function previewOf({ kind, wamid, message, contact, direction, type, status }: Notice) {
  return {
    event: kind,
    message_id: message,
    wamid,
    conversation_id: contact,
    direction,
    message_type: type,
    status,
  }
}
