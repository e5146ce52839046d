import { Secret } from '../../../secrets/secret.ts'
import { Listener } from '../../../server/db/listener.ts'
import { connect } from '../../../server/db/pool.ts'
import { startEmbeddedRunner } from '../../../server/jobs/embedded.ts'
import { createLogger } from '../../../server/log.ts'

/** A process of its own for tests to kill: it notes that a send began, and never ends it. */

const { DATABASE_URL = '', DATABASE_PASSWORD = '' } = process.env
const database = {
  url: new URL(DATABASE_URL),
  role: 'wa_app',
  password: new Secret(DATABASE_PASSWORD),
} as const

startEmbeddedRunner({
  sql: connect(database),
  listener: new Listener(database),
  jobs: [
    {
      id: 'send-message',
      event: 'wa/message.send.requested',
      retries: 1,
      concurrency: 2,
      run: async () => {
        process.stdout.write('began\n')
        await new Promise(() => {})
      },
    },
  ],
  crons: [],
  log: createLogger('silent'),
  leaseSeconds: 1,
})
// Nothing above keeps a process alive by itself.
setInterval(() => {}, 60_000)
