import { randomUUID } from 'node:crypto'
import type { Identity } from '../auth/identity.ts'
import type { Listener } from '../db/listener.ts'
import { type Database, within } from '../db/pool.ts'
import type { Logger } from '../log.ts'

/** A connection of the handshake era, as every process of the server knows it. */
export interface Session {
  readonly id: string
  readonly clientId: string
  readonly keyId: string | null
  readonly protocolVersion: string
  readonly clientCapabilities: Readonly<Record<string, unknown>>
  /** Kept current: whoever holds the session sees changes. */
  readonly subscriptions: Set<string>
}

interface Row extends Omit<Session, 'subscriptions'> {
  readonly subscriptions: readonly string[]
}

interface Cached {
  readonly session: Session
  /** Milliseconds of `performance.now()`. */
  usedAt: number
}

export interface SessionsOptions {
  readonly sql: Database
  readonly listener: Listener
  readonly log: Logger
  readonly idleMs: number
  readonly sweepMs: number
  readonly mostPerKey: number
  /** Called when a session is over, or changed in another process. */
  readonly onEnd: (id: string) => void
}

const DEADLINE_MS = 4_000
const MOST_SUBSCRIPTIONS = 500
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The rows are the truth; memory only saves looking at them, and NOTIFY says when it is wrong. */
export class Sessions {
  readonly #o: SessionsOptions
  readonly #cache = new Map<string, Cached>()
  readonly #seen = new Set<string>()
  readonly #sweeper: NodeJS.Timeout
  readonly #unsubscribe: () => void

  constructor(options: SessionsOptions) {
    this.#o = options
    this.#sweeper = setInterval(() => {
      this.sweep().catch((err: unknown) => options.log.warn({ err }, 'sessions_not_swept'))
    }, options.sweepMs)
    this.#sweeper.unref()
    const refresh = (id: string) => {
      for (const known of id === '' ? [...this.#cache.keys()] : [id]) void this.#refresh(known)
    }
    this.#unsubscribe = options.listener.on('sessions', { onNotice: refresh })
  }

  /**
   * Opens a session. A key that has too many loses the one unseen for longest: a client that forgets to say good-bye must not
   * lock itself out.
   */
  async create(
    identity: Identity,
    o: Pick<Session, 'protocolVersion' | 'clientCapabilities'> & {
      clientInfo: Readonly<Record<string, unknown>>
    },
  ): Promise<Session> {
    const { sql, mostPerKey } = this.#o
    const { clientId, keyId } = identity
    const session = { ...o, id: randomUUID(), clientId, keyId, subscriptions: new Set<string>() }
    await within(
      DEADLINE_MS,
      sql`
        with opened as (
          insert into mcp_sessions (id, client_id, api_key_id, protocol_version, client_info, client_capabilities)
          values (${session.id}, ${clientId}, ${keyId}, ${o.protocolVersion},
            ${JSON.stringify(o.clientInfo)}::text::jsonb, ${JSON.stringify(o.clientCapabilities)}::text::jsonb))
        delete from mcp_sessions where id in (
          select id from mcp_sessions where api_key_id = ${keyId} order by last_seen_at desc, id offset ${mostPerKey - 1})`,
    )
    this.#remember(session)
    return session
  }

  /** @returns `undefined` when there is no such session, or it was idle for too long. */
  async find(id: string): Promise<Session | undefined> {
    const cached = this.#cache.get(id)
    const now = performance.now()
    // An entry older than half the limit is looked up again: another process may know better.
    if (cached && this.#o.listener.listening && now - cached.usedAt < this.#o.idleMs / 2) {
      cached.usedAt = now
      this.#seen.add(id)
      return cached.session
    }
    const row = UUID.test(id) ? await this.#load(id) : undefined
    if (row === undefined) {
      this.#cache.delete(id)
      return undefined
    }
    this.#seen.add(id)
    if (cached === undefined) return this.#remember({ ...row, subscriptions: new Set(row.subscriptions) })
    replace(cached.session.subscriptions, row.subscriptions)
    return this.#remember(cached.session)
  }

  async subscribe({ id, subscriptions }: Session, uri: string): Promise<boolean> {
    if (subscriptions.has(uri)) return true
    const { count } = await this.#o.sql`
      update mcp_sessions set subscriptions = array_append(array_remove(subscriptions, ${uri}), ${uri})
      where id = ${id} and cardinality(subscriptions) < ${MOST_SUBSCRIPTIONS}`
    if (count > 0) subscriptions.add(uri)
    return count > 0
  }

  async unsubscribe({ id, subscriptions }: Session, uri: string): Promise<void> {
    await this.#o
      .sql`update mcp_sessions set subscriptions = array_remove(subscriptions, ${uri}) where id = ${id}`
    subscriptions.delete(uri)
  }

  async end(id: string): Promise<void> {
    await this.#o.sql`delete from mcp_sessions where id = ${id}`
    this.#forget(id)
  }

  /** Notes that a session is in use; written with the next sweep. */
  touch(ids: readonly string[]): void {
    const now = performance.now()
    for (const id of ids) {
      this.#seen.add(id)
      const cached = this.#cache.get(id)
      if (cached) cached.usedAt = now
    }
  }

  /** Writes down which sessions were used, and ends those that were not for too long, whoever served them. */
  async sweep(): Promise<void> {
    const { sql, idleMs } = this.#o
    await this.#writeSeen()
    await sql`delete from mcp_sessions where last_seen_at < now() - ${`${idleMs} milliseconds`}::text::interval`
    for (const [id, { usedAt }] of this.#cache)
      if (performance.now() - usedAt > idleMs) this.#cache.delete(id)
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    this.#unsubscribe()
    await this.#writeSeen().catch((err: unknown) => this.#o.log.warn({ err }, 'sessions_not_written'))
  }

  async #writeSeen(): Promise<void> {
    const ids = [...this.#seen]
    this.#seen.clear()
    if (ids.length === 0) return
    await within(
      DEADLINE_MS,
      this.#o.sql`update mcp_sessions set last_seen_at = now() where id in ${this.#o.sql(ids)}`,
    )
  }

  async #refresh(id: string): Promise<void> {
    const cached = this.#cache.get(id)
    if (cached === undefined) return this.#o.onEnd(id)
    try {
      const row = await this.#load(id)
      if (row === undefined) return this.#forget(id)
      replace(cached.session.subscriptions, row.subscriptions)
    } catch (err) {
      this.#o.log.warn({ err }, 'session_not_refreshed')
      this.#forget(id)
    }
  }

  #remember(session: Session): Session {
    this.#cache.set(session.id, { session, usedAt: performance.now() })
    return session
  }

  #forget(id: string): void {
    this.#cache.delete(id)
    this.#o.onEnd(id)
  }

  async #load(id: string): Promise<Row | undefined> {
    const { sql, idleMs } = this.#o
    const rows = sql<Row[]>`
      select id, client_id as "clientId", api_key_id as "keyId", protocol_version as "protocolVersion",
        client_capabilities as "clientCapabilities", to_jsonb(subscriptions) as subscriptions
      from mcp_sessions where id = ${id} and last_seen_at > now() - ${`${idleMs} milliseconds`}::text::interval`
    return (await within(DEADLINE_MS, rows))[0]
  }
}

/** In place: the stream of the session holds the same set. */
function replace(set: Set<string>, items: readonly string[]): void {
  set.clear()
  for (const item of items) set.add(item)
}
