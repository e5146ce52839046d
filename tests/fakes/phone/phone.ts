import { createHmac, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeGraph, SentMessage } from '../graph/graph.ts'

type Json = Record<string, unknown>

/** Digits of the business's own number. */
const BUSINESS = '15550001111'

/** The person who holds the phone. */
export interface Customer {
  /** Digits, as Meta writes them. */
  readonly waId: string
  readonly name: string
}

/** A line of the chat as the customer sees it. */
export interface Line {
  readonly from: 'customer' | 'business'
  readonly wamid: string
  readonly type: string
  readonly text: string
  /** Titles that can be pressed. */
  readonly choices: readonly string[]
  readonly at: string
}

export interface PhoneOptions {
  readonly graph: FakeGraph
  /** Meta's id of the business's number. */
  readonly numberId: string
  readonly wabaId: string
  /** Where Meta would deliver: `https://wa.example.org/webhook/meta`. */
  readonly webhook: URL
  /** Signs the deliveries. */
  readonly appSecret: string
  readonly customer: Customer
  /** Between two statuses of a message; 0 in tests. */
  readonly paceMs?: number
}

/** Nothing on the screen can be pressed like that. */
export class NothingToPress extends Error {
  override readonly name = 'NothingToPress'
}

/**
 * The customer's side of a conversation: what it does reaches the server as Meta's signed webhooks, and what the server
 * sends to the fake Graph API appears on its screen and is reported as sent, delivered and read.
 */
export class Phone {
  readonly lines: Line[] = []
  /** Signs the deliveries; it may be reset. */
  appSecret: string
  readonly #o: PhoneOptions
  readonly #customer: Customer
  /** Choices by title, of every interactive message or template on the screen, the newest last. */
  readonly #choices: (Choice & { readonly of: string })[] = []

  constructor(options: PhoneOptions) {
    this.#o = options
    this.appSecret = options.appSecret
    this.#customer = options.customer
  }

  get waId(): string {
    return this.#customer.waId
  }

  say(text: string): Promise<Line> {
    return this.#write('text', { text: { body: text } }, text)
  }

  sendPicture(bytes: Uint8Array, mimeType: string, caption?: string): Promise<Line> {
    const { id, sha256 } = this.#o.graph.addMedia({ numberId: this.#o.numberId, bytes, mimeType })
    const image = { id, sha256, mime_type: mimeType, ...(caption && { caption }) }
    return this.#write('image', { image }, caption ?? '[picture]')
  }

  /** Presses a button, or picks a row of a list, by its title. @throws NothingToPress */
  press(title: string): Promise<Line> {
    const choice = this.#choices.findLast((one) => one.title.toLowerCase() === title.toLowerCase())
    if (choice === undefined) {
      const titles = [...new Set(this.#choices.map((one) => one.title))]
      throw new NothingToPress(
        titles.length > 0
          ? `nothing is called ${JSON.stringify(title)}; there are: ${titles.join(', ')}`
          : 'the business has sent nothing to press yet',
      )
    }
    const context = { id: choice.of, from: BUSINESS }
    return this.#write('interactive', { interactive: choice.interactive, context }, choice.title)
  }

  /** Hears of a message the business has sent. */
  async receive({ wamid, body, callback }: SentMessage): Promise<void> {
    const line = {
      from: 'business' as const,
      wamid,
      at: new Date().toISOString(),
      ...this.#read(wamid, body),
    }
    if (body.type !== 'reaction') this.lines.push(line)
    // Our reactions are reported as sent and nothing more.
    for (const status of body.type === 'reaction' ? ['sent'] : ['sent', 'delivered', 'read']) {
      await sleep(this.#o.paceMs ?? 300)
      await this.#deliver({
        statuses: [
          {
            id: wamid,
            status,
            timestamp: now(),
            recipient_id: this.#customer.waId,
            ...(callback && { biz_opaque_callback_data: callback }),
            ...(status === 'sent' && {
              pricing: {
                billable: false,
                pricing_model: 'PMP',
                type: 'free_customer_service',
                category: 'service',
              },
            }),
          },
        ],
      })
    }
  }

  async #write(type: string, content: Json, text: string): Promise<Line> {
    const wamid = `wamid.${randomBytes(24).toString('base64')}`
    const { waId, name } = this.#customer
    await this.#deliver({
      contacts: [{ profile: { name }, wa_id: waId }],
      messages: [{ from: waId, id: wamid, timestamp: now(), type, ...content }],
    })
    const line = { from: 'customer' as const, wamid, type, text, choices: [], at: new Date().toISOString() }
    this.lines.push(line)
    return line
  }

  async #deliver(value: Json): Promise<void> {
    const { numberId, wabaId, webhook } = this.#o
    const metadata = { display_phone_number: BUSINESS, phone_number_id: numberId }
    const change = { field: 'messages', value: { messaging_product: 'whatsapp', metadata, ...value } }
    const body = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: wabaId, changes: [change] }],
    })
    const signature = createHmac('sha256', this.appSecret).update(body).digest('hex')
    const response = await fetch(webhook, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` },
      body,
      signal: AbortSignal.timeout(10_000),
    })
    await response.body?.cancel()
    if (response.status !== 200) throw new Error(`the server answered the webhook with ${response.status}`)
  }

  #read(wamid: string, body: Json): Pick<Line, 'type' | 'text' | 'choices'> {
    const type = String(body.type)
    const content = (body[type] ?? {}) as Json
    const choices = choicesOf(content)
    this.#choices.push(...choices.map((choice) => ({ ...choice, of: wamid })))
    const inner = content.body as Json | string | undefined
    const text =
      typeof inner === 'string'
        ? inner
        : String(inner?.text ?? content.caption ?? content.name ?? `[${type}]`)
    return { type, text, choices: choices.map(({ title }) => title) }
  }
}

interface Choice {
  readonly title: string
  /** What Meta reports when it is pressed. */
  readonly interactive: Json
}

/** Buttons and list rows of an interactive message. */
function choicesOf(content: Json): Choice[] {
  const action = (content.action ?? {}) as { buttons?: { reply: Json }[]; sections?: { rows: Json[] }[] }
  const answer = (kind: 'button_reply' | 'list_reply', reply: Json): Choice => ({
    title: String(reply.title),
    interactive: { type: kind, [kind]: reply },
  })
  return [
    ...(action.buttons ?? []).map(({ reply }) => answer('button_reply', reply)),
    ...(action.sections ?? []).flatMap(({ rows }) => rows.map((row) => answer('list_reply', row))),
  ]
}

const now = (): string => String(Math.floor(Date.now() / 1000))
