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

/** A lazy pool: nothing is opened before the first query, and a lost connection is opened again by the next one. */
export function connect(options: ConnectOptions): Database {
  const { url, role, password, max = 10, maxLifetime, onclose, onnotify } = options
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || 5432)
  const settings = {
    host,
    port,
    socket: lingeringSocket(host, port),
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
  return postgres(settings)
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
