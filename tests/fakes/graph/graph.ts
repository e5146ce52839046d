import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { contact, describe, digits, json, parse, read } from './answers.ts'
import { Behaviours, type Choice, type GraphRequest, misbehave, reset } from './behaviour.ts'
import { GraphFailure, refuseUnless } from './failure.ts'
import type { Json } from './json.ts'
import { type FakeMedia, parseUpload, sha256 } from './media.ts'
import { checkMessage, checkReceipt } from './messages.ts'
import { type FakeTemplate, parseTemplate } from './templates.ts'

/** A message the fake has accepted. */
export interface SentMessage {
  readonly wamid: string
  /** Meta's id of the number. */
  readonly numberId: string
  /** A phone number with `+`, or a business-scoped user id. */
  readonly to: string
  /** `biz_opaque_callback_data` */
  readonly callback: string | undefined
  readonly body: Json
}

export interface FakeGraphOptions {
  /** Access tokens that are valid. */
  readonly tokens: readonly string[]
  /** `v26.0` */
  readonly version?: string
  /** Business account of each number, by Meta's ids. More can join later: {@link FakeGraph.numbers}. */
  readonly numbers?: Readonly<Record<string, string>>
  readonly port?: number
  /** Address to listen on and to name in links; this machine's own by default. */
  readonly host?: string
  /** Called for each accepted message after it was answered. */
  readonly onAccepted?: (message: SentMessage) => void
}

/**
 * Meta's Graph API as far as we use it, on a local port, refusing what Meta would refuse. Nothing in it knows our server.
 */
export class FakeGraph {
  readonly tokens: Set<string>
  /** Business account by number. */
  readonly numbers: Map<string, string>
  readonly requests: GraphRequest[] = []
  /** Accepted messages in order. */
  readonly sent: SentMessage[] = []
  /** Read receipts by wamid, and whether they showed typing. */
  readonly receipts: { readonly wamid: string; readonly typing: boolean }[] = []
  readonly templates: FakeTemplate[] = []
  readonly media = new Map<string, FakeMedia>()
  /** Recipients whose service window is closed: everything but templates is refused with 131047. */
  readonly closedWindows = new Set<string>()
  readonly #version: string
  readonly #host: string
  readonly #onAccepted: (message: SentMessage) => void
  readonly #server = createServer((request, response) => void this.#handle(request, response))
  readonly #behaviours = new Behaviours()

  constructor(o: FakeGraphOptions) {
    this.tokens = new Set(o.tokens)
    this.numbers = new Map(Object.entries(o.numbers ?? {}))
    this.#version = o.version ?? 'v26.0'
    this.#host = o.host ?? '127.0.0.1'
    this.#onAccepted = o.onAccepted ?? (() => {})
  }

  get url(): URL {
    return new URL(`http://${this.#host}:${(this.#server.address() as AddressInfo).port}`)
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, this.#host, resolve)
    })
  }

  /** Lets the next `times` requests (all by default) go wrong; `undefined` ends it. Behaviours queue up. */
  behave(choice: Choice, times = Number.POSITIVE_INFINITY): void {
    this.#behaviours.set(choice, times)
  }

  /** A file somebody sent to a number. */
  addMedia(o: Omit<FakeMedia, 'sha256' | 'id'> & { id?: string; sha256?: string }): FakeMedia {
    const media = { ...o, id: o.id ?? digits(15), sha256: o.sha256 ?? sha256(o.bytes) }
    this.media.set(media.id, media)
    return media
  }

  addTemplate(o: Pick<FakeTemplate, 'wabaId' | 'name'> & Partial<FakeTemplate>): FakeTemplate {
    const template: FakeTemplate = {
      id: digits(16),
      language: 'en_US',
      category: 'UTILITY',
      status: 'APPROVED',
      parameter_format: 'POSITIONAL',
      components: [{ type: 'BODY', text: 'Your order is ready.' }],
      ...o,
    }
    this.templates.push(template)
    return template
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', this.url)
    if (this.#behaviours.resetsNext()) return reset(response)
    try {
      const raw = await read(message)
      const request: GraphRequest = {
        method: message.method ?? '',
        at: performance.now(),
        path: url.pathname.replace(`/${this.#version}/`, '/'),
        query: url.searchParams,
        token: /^Bearer (.+)$/.exec(message.headers.authorization ?? '')?.[1],
        body: parse(raw, message.headers['content-type']),
      }
      this.requests.push(request)
      const behaviour = this.#behaviours.next(request)
      if (await misbehave(behaviour, response)) return
      refuseUnless(request.token && this.tokens.has(request.token), 190, 'the access token is not valid')
      if (request.path.startsWith('/download/')) return this.#download(request, response)
      refuseUnless(
        url.pathname.startsWith(`/${this.#version}/`),
        2500,
        'the path has no version, or another one',
      )
      const before = this.sent.length
      const answer = await this.#answer(request, raw, message.headers['content-type'] ?? '')
      if (behaviour === 'accept-then-reset') reset(response)
      else if (behaviour !== 'accept-then-hang') json(response, 200, answer)
      for (const one of this.sent.slice(before)) this.#onAccepted(one)
    } catch (error) {
      if (error instanceof GraphFailure) json(response, error.status, error.body)
      // The other side went away in the middle of its request.
      else if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') response.destroy()
      else throw error
    }
  }

  async #answer(request: GraphRequest, raw: Buffer, contentType: string): Promise<unknown> {
    const [id = '', edge] = request.path.slice(1).split('/')
    const { method, body, query } = request
    if (method === 'POST' && edge === 'messages') return this.#message(this.#number(id), body)
    if (method === 'POST' && edge === 'media') {
      const media = await parseUpload(raw, contentType, digits(15), this.#number(id))
      this.media.set(media.id, media)
      return { id: media.id }
    }
    if (edge === 'message_templates') return this.#templates(method, id, query, body)
    refuseUnless(edge === undefined && method === 'GET', 100, 'no such edge')
    if (this.numbers.has(id)) return describe(id)
    return this.#locate(id, query.get('phone_number_id'))
  }

  #number(id: string): string {
    refuseUnless(this.numbers.has(id), 33, 'the number does not exist')
    return id
  }

  #message(numberId: string, body: Json): unknown {
    if (body.status !== undefined) {
      checkReceipt(body)
      this.receipts.push({ wamid: String(body.message_id), typing: body.typing_indicator !== undefined })
      return { success: true }
    }
    const wabaId = this.numbers.get(numberId)
    const to = checkMessage(body, {
      templates: this.templates.filter((one) => one.wabaId === wabaId),
      knowsMedia: (id) => this.media.get(id)?.numberId === numberId,
    })
    refuseUnless(
      !this.closedWindows.has(to) || body.type === 'template',
      131047,
      'more than 24 hours have passed',
    )
    const wamid = `wamid.${randomBytes(24).toString('base64')}`
    const callback = body.biz_opaque_callback_data as string | undefined
    this.sent.push({ wamid, numberId, to, callback, body })
    return {
      messaging_product: 'whatsapp',
      contacts: [contact(to)],
      messages: [{ id: wamid, ...(body.type === 'template' && { message_status: 'accepted' }) }],
    }
  }

  #templates(method: string, wabaId: string, query: URLSearchParams, body: Json): unknown {
    refuseUnless([...this.numbers.values()].includes(wabaId), 100, 'the business account does not exist')
    const own = this.templates.filter((one) => one.wabaId === wabaId && one.status !== 'DELETED')
    if (method === 'POST') {
      const fresh = parseTemplate(body, wabaId)
      const taken = own.some((one) => one.name === fresh.name && one.language === fresh.language)
      refuseUnless(!taken, 100, 'the name is taken in that language')
      const { id, status, category } = this.addTemplate(fresh)
      return { id, status, category }
    }
    const start = Number(query.get('after') ?? 0)
    const end = start + Number(query.get('limit') ?? 25)
    const data = own.slice(start, end).map(({ wabaId: _, ...shown }) => shown)
    const cursors = { before: String(start), after: String(end) }
    return { data, paging: { cursors, ...(end < own.length && { next: `${this.url}next?after=${end}` }) } }
  }

  #locate(id: string, numberId: string | null): unknown {
    const media = this.media.get(id)
    refuseUnless(media && (numberId === null || numberId === media.numberId), 100, 'no such object')
    return {
      messaging_product: 'whatsapp',
      url: new URL(`/download/${id}`, this.url).href,
      mime_type: media.mimeType,
      sha256: media.sha256,
      file_size: String(media.bytes.length),
      id,
    }
  }

  #download(request: GraphRequest, response: ServerResponse): void {
    const media = this.media.get(request.path.slice('/download/'.length))
    if (media) response.writeHead(200, { 'content-type': media.mimeType }).end(media.bytes)
    else response.writeHead(404).end()
  }
}

/** Starts a {@link FakeGraph} on a free port. */
export async function startFakeGraph(options: FakeGraphOptions): Promise<FakeGraph> {
  const graph = new FakeGraph(options)
  await graph.listen(options.port ?? 0)
  return graph
}
