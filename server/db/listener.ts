import { setTimeout as delay } from 'node:timers/promises'
import { type ConnectOptions, connect, type Database } from './pool.ts'

/** What the schema's triggers announce. */
export const CHANNELS = ['auth_changed', 'messages', 'outbox', 'sessions'] as const
export type Channel = (typeof CHANNELS)[number]

export interface Subscriber {
  /** The payload, as the trigger wrote it; also called with '' after a gap in listening, when anything may have happened. */
  readonly onNotice: (payload: string) => void
  /** The connection is gone: nothing is heard until `onNotice('')`. */
  readonly onGap?: () => void
}

const RETRY_MS = 500

/** One connection per process that hears what every process writes. */
export class Listener {
  readonly #subscribers = new Map<string, Set<Subscriber>>(CHANNELS.map((name) => [name, new Set()]))
  readonly #sql: Database
  #listening = false
  #closed = false
  #wake: () => void = () => {}

  constructor(options: Pick<ConnectOptions, 'url' | 'role' | 'password'>) {
    this.#sql = connect({
      ...options,
      max: 1,
      maxLifetime: null,
      onnotify: (channel, payload) => this.#tell(channel, payload),
      onclose: () => this.#disconnected(),
    })
    void this.#keepListening()
  }

  /** Whether notices arrive at the moment. */
  get listening(): boolean {
    return this.#listening
  }

  /** @returns a function that ends the subscription. */
  on(channel: Channel, subscriber: Subscriber): () => void {
    const set = this.#subscribers.get(channel)
    set?.add(subscriber)
    return () => void set?.delete(subscriber)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wake()
    await this.#sql.end({ timeout: 1 })
  }

  #tell(channel: string, payload: string): void {
    for (const { onNotice } of this.#subscribers.get(channel) ?? []) onNotice(payload)
  }

  #disconnected(): void {
    this.#listening = false
    for (const set of this.#subscribers.values()) for (const { onGap } of set) onGap?.()
    this.#wake()
  }

  async #keepListening(): Promise<void> {
    while (!this.#closed) {
      const disconnected = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      try {
        await this.#sql.unsafe(CHANNELS.map((name) => `listen ${name}`).join(';')).simple()
        this.#listening = true
        for (const channel of CHANNELS) this.#tell(channel, '')
        await disconnected
      } catch {
        // The database is away; /health says so, and here it only means that nothing is heard meanwhile.
        if (!this.#closed) await delay(RETRY_MS, undefined, { ref: false })
      }
    }
  }
}
