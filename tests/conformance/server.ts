import type { AddressInfo } from 'node:net'
import { Secret } from '../../secrets/secret.ts'
import { Listener } from '../../server/db/listener.ts'
import { connect, type Database } from '../../server/db/pool.ts'
import { createFront } from '../../server/http/front.ts'
import { createLogger } from '../../server/log.ts'
import { createGate } from '../../server/mcp/gate.ts'
import { createHttpFront, type HttpFrontOptions } from '../../server/mcp/http-front.ts'
import { RequestStates } from '../../server/mcp/request-state.ts'
import { PASSWORDS, type TestDatabase } from '../integration/database.ts'
import { addClient } from '../integration/server/fixtures.ts'
import { createTestSurface } from './surface.ts'

export interface TestServer {
  readonly origin: string
  readonly sql: Database
  stop(): Promise<void>
}

/** The protocol as in production, with the suite's fixtures behind it and a door that asks for no key: the suite has none. */
export async function startTestServer(
  db: TestDatabase,
  timings: NonNullable<HttpFrontOptions['timings']> = {},
): Promise<TestServer> {
  const options = { url: db.url, role: 'wa_app', password: PASSWORDS.app } as const
  const sql = connect(options)
  const listener = new Listener(options)
  const log = createLogger('silent', { write: () => {} })
  const client = await addClient(db.sql, 'conformance')
  const identity = {
    ...{ keyId: null, clientId: client.id, clientName: client.name, isOwner: false, scopes: ['*'] },
    ...{ rpmLimit: 1, dailyMsgLimit: 1 },
  }
  const gate = createGate({
    authenticate: async () => identity,
    limits: { admit: async () => ({ ok: true }) },
    noteUse: () => {},
    audit: { record: async () => {}, close: async () => {} },
    publicUrl: new URL('https://wa.example.org'),
    log,
  })
  const surface = createTestSurface(new RequestStates(new Secret('5f'.repeat(32))))
  const numbers = { byId: async () => undefined }
  const mcp = createHttpFront({ gate, surface, sql, listener, numbers, log, timings })
  const server = createFront({ '/mcp': { '*': mcp.handler } }, log)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sql,
    stop: async () => {
      await mcp.drain()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await Promise.all([listener.close(), sql.end({ timeout: 1 })])
    },
  }
}
