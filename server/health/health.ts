import { SCHEMA } from '../db/migrations.ts'
import { type ConnectOptions, connect, type Database, within } from '../db/pool.ts'
import { type Handler, HttpError, sendJson } from '../http/reply.ts'

const ALIVE = { ok: true }

/** `GET /livez`: the process answers. Whether its dependencies do is not its fault, so a restart would not help. */
export const livez: Handler = ({ res }) => sendJson(res, 200, ALIVE)

export interface Health {
  readonly handler: Handler
  close(): Promise<void>
}

/**
 * `GET /health`: 200 when the database answers and has our schema, else 503, always within a second.
 * The probe has a connection of its own, so that a busy pool is not taken for a broken database.
 */
export function createHealth(
  options: Pick<ConnectOptions, 'url' | 'role' | 'password'>,
  schema = SCHEMA,
): Health {
  const deadlineMs = 800
  let sql = connect({ ...options, max: 1 })
  let pending: Promise<boolean> | undefined

  /** Callers at the same moment share one query, so health checks cannot become a load. */
  const probe = () => {
    pending ??= ask(sql).finally(() => {
      pending = undefined
    })
    return pending
  }

  async function ask(current: Database): Promise<boolean> {
    try {
      const rows = await within(deadlineMs, current`select 1 from schema_migrations where name = ${schema}`)
      return rows.length === 1
    } catch {
      // Whatever is wrong with this connection, the next probe starts with a fresh one.
      sql = connect({ ...options, max: 1 })
      void current.end({ timeout: 0 })
      return false
    }
  }

  return {
    handler: async ({ res }) => {
      if (!(await probe())) throw new HttpError(503, 'unavailable')
      sendJson(res, 200, ALIVE)
    },
    close: () => sql.end({ timeout: 1 }),
  }
}
