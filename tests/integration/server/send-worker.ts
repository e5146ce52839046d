import { Secret } from '../../../secrets/secret.ts'
import { createAudit } from '../../../server/audit/writer.ts'
import { Listener } from '../../../server/db/listener.ts'
import { connect } from '../../../server/db/pool.ts'
import { startEmbeddedRunner } from '../../../server/jobs/embedded.ts'
import { createLogger } from '../../../server/log.ts'
import { createGraph } from '../../../server/meta/client.ts'
import { Numbers } from '../../../server/numbers/numbers.ts'
import { Vault } from '../../../server/numbers/vault.ts'
import { createOutboundService } from '../../../server/outbound/service.ts'

/** The sending half of the server in a process of its own, for tests to kill. */

const { DATABASE_URL = '', DATABASE_PASSWORD = '', GRAPH_URL = '', TOKEN = '' } = process.env
const database = {
  url: new URL(DATABASE_URL),
  role: 'wa_app',
  password: new Secret(DATABASE_PASSWORD),
} as const
const log = createLogger('silent')
const sql = connect(database)
const listener = new Listener(database)
const vault = new Vault('/nonexistent', new Map([['wa_default_access_token', new Secret(TOKEN)]]))
const numbers = new Numbers({ sql, listener, vault })
const graph = createGraph({
  baseUrl: new URL(GRAPH_URL),
  version: 'v26.0',
  tokenOf: (number) => numbers.tokenOf(number),
})
const { jobs } = createOutboundService({
  ...{ sql, graph, numbers, listener, audit: createAudit({ sql, log }) },
  stopping: new AbortController().signal,
})

startEmbeddedRunner({ sql, listener, jobs, crons: [], log, pollMs: 50, leaseSeconds: 1 })
// Nothing above keeps a process alive by itself.
setInterval(() => {}, 60_000)
