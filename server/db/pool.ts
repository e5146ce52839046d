import postgres from 'postgres'
import type { Secret } from '../../secrets/secret.ts'
import { lingeringSocket } from './socket.ts'

export type Database = postgres.Sql
export type Transaction = postgres.TransactionSql
/** Either: for functions that do not care whether they are part of something larger. */
export type Queryable = Database | Transaction
export type Role = 'wa_app' | 'wa_owner' | 'postgres'

export interface ConnectOptions {
  readonly url: URL
  readonly role: Role
  readonly password: Secret
  /** Connections at most; default 10. */
  readonly max?: number
  /** null keeps a connection for good; by default it is renewed within the hour. */
  readonly maxLifetime?: null
  /** Called whenever a connection has gone. */
  readonly onclose?: () => void
  /** Called for each NOTIFY on a channel this connection listens to. */
  readonly onnotify?: (channel: string, payload: string) => void
}

const STATEMENT_TIMEOUT_MS = 10_000

/**
 * A lazy pool: nothing is opened before the first query, and a lost connection is opened again by the next one.
 *
 * Losing a connection retires the driver's whole pool for a fresh one. postgres.js (3.4.9) keeps what it meant to write when a
 * connection ended and never writes again on the next one in its place; a pool would run dry, one outage at a time.
 */
export function connect(options: ConnectOptions): Database {
  let ended = false
  let current = open()

  function open(): Database {
    // The driver's types do not know `socket`.
    const settings = { ...settingsFor(options), socket: socketFor(options, () => retire(pool)) }
    const pool = postgres(settings)
    return pool
  }

  function retire(pool: Database): void {
    if (pool !== current || ended) return
    current = open()
    // Statements on its other connections may finish.
    void pool.end({ timeout: STATEMENT_TIMEOUT_MS / 1000 })
  }

  return new Proxy(current, {
    apply: (_target, _this, args: Parameters<Database>) => current(...args),
    get: (_target, key: keyof Database) => {
      if (key === 'end') ended = true
      const value: unknown = current[key]
      return typeof value === 'function' ? value.bind(current) : value
    },
  })
}

function addressOf({ url }: ConnectOptions): { host: string; port: number } {
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 5432) }
}

function socketFor(options: ConnectOptions, onLost: () => void) {
  const { host, port } = addressOf(options)
  return lingeringSocket(host, port, onLost)
}

function settingsFor(options: ConnectOptions) {
  const { url, role, password, max = 10, maxLifetime, onclose, onnotify } = options
  return {
    ...addressOf(options),
    database: decodeURIComponent(url.pathname.slice(1)),
    username: role,
    password: () => password.reveal(),
    max,
    connect_timeout: 5,
    // Constant, because a growing one would keep us out for seconds after the database is back.
    backoff: () => 0.1,
    // Every type we use is built in, so the extra query on each new connection buys nothing.
    fetch_types: false,
    connection: {
      application_name: `whatsapp-mcp ${role}`,
      // A migration may rightly take minutes.
      ...(role === 'wa_app' && { statement_timeout: STATEMENT_TIMEOUT_MS }),
    },
    onnotice: () => {},
    ...(maxLifetime === null && { max_lifetime: null }),
    ...(onclose && { onclose }),
    ...(onnotify && { onnotify }),
  }
}

/** The database did not answer in time. */
export class DatabaseTimeout extends Error {
  override readonly name = 'DatabaseTimeout'
}

/**
 * Waits for a query, but not forever: a frozen server or a cut network gives no error by itself.
 *
 * @throws DatabaseTimeout after `ms` milliseconds; the query itself may still succeed later.
 */
export async function within<T>(ms: number, query: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DatabaseTimeout(`no answer from the database in ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([query, late])
  } finally {
    clearTimeout(timer)
  }
}
