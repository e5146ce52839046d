import type { Identity } from '../auth/identity.ts'
import { HttpError } from '../http/reply.ts'
import { mcpSessions } from '../metrics/metrics.ts'
import type { EventStream } from './event-stream.ts'

export interface OpenStream {
  readonly stream: EventStream
  /** Who opened it, and as what its key was good then. */
  readonly identity: Identity
  /** The session it belongs to, in the handshake era. */
  readonly sessionId: string | undefined
  /** Says good-bye as the protocol wants it. */
  readonly farewell?: () => void
}

export interface StreamsOptions {
  readonly heartbeatMs: number
  readonly mostPerKey: number
  /** The scopes of those among these keys that are still good. */
  readonly findLiveKeys: (keyIds: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>
  /** Sessions that have a stream, at every beat. */
  readonly onBeat: (sessionIds: readonly string[]) => void
  readonly onError: (error: unknown) => void
}

/** Every stream that waits for news. A dead one, or one whose key has ended, leaves within a heartbeat. */
export class Streams {
  readonly #open = new Set<OpenStream>()
  readonly #perKey = new Map<string | null, number>()
  readonly #o: StreamsOptions
  readonly #heart: NodeJS.Timeout
  #isClosed = false

  constructor(options: StreamsOptions) {
    this.#o = options
    this.#heart = setInterval(() => this.#beat(), options.heartbeatMs)
    this.#heart.unref()
  }

  /** @throws HttpError 429 when the key has enough of them; 503 when the server is stopping. */
  checkRoom(keyId: string | null): void {
    if (this.#isClosed) throw new HttpError(503, 'stopping', { 'retry-after': '5' })
    if ((this.#perKey.get(keyId) ?? 0) < this.#o.mostPerKey) return
    throw new HttpError(429, 'too_many_streams', { 'retry-after': '60' })
  }

  add(open: OpenStream): void {
    this.#open.add(open)
    this.#count(open.identity.keyId, 1)
    open.stream.onClose(() => {
      if (this.#open.delete(open)) this.#count(open.identity.keyId, -1)
    })
  }

  /** Ends the streams of a session. */
  endSession(sessionId: string): void {
    for (const { stream, sessionId: own } of this.#open) if (own === sessionId) stream.end()
  }

  /** Ends the streams whose key was revoked, has expired, or got other scopes. */
  async checkKeys(): Promise<void> {
    const keys = new Set([...this.#open].flatMap(({ identity }) => identity.keyId ?? []))
    if (keys.size === 0) return
    const live = await this.#o.findLiveKeys([...keys])
    for (const { identity, stream } of this.#open) {
      if (identity.keyId === null) continue
      if (String(live.get(identity.keyId)) !== String(identity.scopes)) stream.end()
    }
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#heart)
    for (const { stream, farewell } of this.#open) {
      farewell?.()
      stream.end()
    }
  }

  #beat(): void {
    for (const { stream } of this.#open) stream.beat()
    const sessions = new Set([...this.#open].flatMap(({ sessionId }) => sessionId ?? []))
    this.#o.onBeat([...sessions])
    this.checkKeys().catch(this.#o.onError)
  }

  #count(keyId: string | null, change: number): void {
    const count = (this.#perKey.get(keyId) ?? 0) + change
    if (count > 0) this.#perKey.set(keyId, count)
    else this.#perKey.delete(keyId)
    mcpSessions.set({ kind: 'stream' }, this.#open.size)
  }
}
