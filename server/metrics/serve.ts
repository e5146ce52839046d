import type { AddressInfo } from 'node:net'
import type { Database } from '../db/pool.ts'
import { createFront } from '../http/front.ts'
import { type Handler, sendJson } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { VERSION } from '../version.ts'
import { type Figures, readFigures } from './figures.ts'
import { auditLag, databaseUp, mcpSessions, outboxAge, outboxRows, registry } from './metrics.ts'

/** `GET /metrics` and `GET /health` with details, on a port of their own that is never published. */
export async function serveMetrics({
  bind,
  port,
  sql,
  numbers,
  log,
}: {
  bind: string
  port: number
  sql: Database
  numbers: Numbers
  log: Logger
}): Promise<{ readonly port: number; close(): Promise<void> }> {
  /** undefined when the database does not answer. */
  const figures = async (): Promise<Figures | undefined> => {
    try {
      return await readFigures(sql, numbers)
    } catch (error) {
      log.warn({ err: error }, 'figures_not_read')
      return undefined
    }
  }
  const metrics: Handler = async ({ res }) => {
    observe(await figures())
    const body = await registry.metrics()
    res.writeHead(200, { 'content-type': registry.contentType, 'cache-control': 'no-store' }).end(body)
  }
  /** 503 without the database or with another schema than ours; what else is wrong is for people to weigh. */
  const health: Handler = async ({ res }) => {
    const found = await figures()
    const ok = found !== undefined && found.schema.applied === found.schema.expected
    sendJson(res, ok ? 200 : 503, { ok, version: VERSION, database: found ? 'up' : 'down', ...found })
  }
  const server = createFront({ '/metrics': { GET: metrics }, '/health': { GET: health } }, log)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, bind, resolve)
  })
  const { port: chosen } = server.address() as AddressInfo
  log.info({ bind, port: chosen }, 'metrics_listening')
  return {
    port: chosen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function observe(figures: Figures | undefined): void {
  databaseUp.set(figures ? 1 : 0)
  if (figures === undefined) return
  const { outbox, audit, sessions } = figures
  for (const state of ['ready', 'dead', 'held'] as const) outboxRows.set({ state }, outbox[state])
  outboxAge.set(outbox.oldest_seconds)
  mcpSessions.set({ kind: 'session' }, sessions)
  auditLag.set(audit.lag_seconds)
}
