import type { Listener } from '../db/listener.ts'
import type { Identity } from './identity.ts'

const LONGEST_MS = 30_000

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
  readonly #listener: Listener

  constructor(listener: Listener) {
    this.#listener = listener
    const empty = () => this.#empty()
    listener.on('auth_changed', { onNotice: empty, onGap: empty })
  }

  get(key: string): Identity | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.until > Date.now() ? entry.identity : undefined
  }

  /** Call before asking the database; the function returned stores the answer if nothing has changed since. */
  beginLookup(): (key: string, identity: Identity, expires: Date | null) => void {
    const generation = this.#generation
    return (key, identity, expires) => {
      if (!this.#listener.listening || generation !== this.#generation) return
      const until = Math.min(Date.now() + LONGEST_MS, expires?.getTime() ?? Number.POSITIVE_INFINITY)
      this.#entries.set(key, { identity, until })
    }
  }

  #empty(): void {
    this.#generation += 1
    this.#entries.clear()
  }
}
