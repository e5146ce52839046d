import { setTimeout as delay } from 'node:timers/promises'
import { type ConnectOptions, connect, type Database } from '../db/pool.ts'
import type { Identity } from './identity.ts'

const CHANNEL = 'auth_changed'
const LONGEST_MS = 30_000
const RETRY_MS = 500

interface Entry {
  readonly identity: Identity
  readonly until: number
}

/**
 * Remembers keys that were found good, so that a call costs no query. Every change to keys or clients empties it by NOTIFY,
 * so a revoked key ends at once; while the connection that hears the notice is down, nothing is remembered.
 */
export class KeyCache {
  readonly #entries = new Map<string, Entry>()
  /** Counts the emptyings, so that a look-up begun before one cannot put its old answer back. */
  #generation = 0
  #listening = false
  #closed = false
  readonly #sql: Database
  #wake: () => void = () => {}

  constructor(options: Pick<ConnectOptions, 'url' | 'role' | 'password'>) {
    this.#sql = connect({
      ...options,
      max: 1,
      maxLifetime: null,
      onnotify: () => this.#empty(),
      onclose: () => this.#disconnected(),
    })
    void this.#keepListening()
  }

  get(key: string): Identity | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.until > Date.now() ? entry.identity : undefined
  }

  /** Call before asking the database; the function returned stores the answer if nothing has changed since. */
  beginLookup(): (key: string, identity: Identity, expires: Date | null) => void {
    const generation = this.#generation
    return (key, identity, expires) => {
      if (!this.#listening || generation !== this.#generation) return
      const until = Math.min(Date.now() + LONGEST_MS, expires?.getTime() ?? Number.POSITIVE_INFINITY)
      this.#entries.set(key, { identity, until })
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wake()
    await this.#sql.end({ timeout: 1 })
  }

  #empty(): void {
    this.#generation += 1
    this.#entries.clear()
  }

  #disconnected(): void {
    this.#listening = false
    this.#empty()
    this.#wake()
  }

  async #keepListening(): Promise<void> {
    while (!this.#closed) {
      const disconnected = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      try {
        await this.#sql`listen ${this.#sql(CHANNEL)}`
        this.#empty()
        this.#listening = true
        await disconnected
      } catch {
        // The database is away; /health says so, and here it only means that nothing is remembered meanwhile.
        if (!this.#closed) await delay(RETRY_MS, undefined, { ref: false })
      }
    }
  }
}
