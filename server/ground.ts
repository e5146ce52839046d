import { createAudit } from './audit/writer.ts'
import type { AppConfig } from './config/env.ts'
import { Listener } from './db/listener.ts'
import { connect } from './db/pool.ts'
import { Rush } from './http/rush.ts'
import type { Logger } from './log.ts'
import { Numbers } from './numbers/numbers.ts'
import { Vault } from './numbers/vault.ts'

/** What everything else stands on, and all that answering Meta needs. */
export type Ground = ReturnType<typeof createGround>

/** Opens no connection before something asks the database. */
export function createGround(config: AppConfig, log: Logger) {
  const database = { url: config.databaseUrl, role: 'wa_app', password: config.databasePassword } as const
  const sql = connect(database)
  const listener = new Listener(database)
  const audit = createAudit({ sql, log })
  const numbers = new Numbers({ sql, listener, vault: new Vault(config.secretsDir, config.secretOverrides) })
  return {
    ...{ database, sql, listener, audit, numbers, rush: new Rush(), stopping: new AbortController() },
    close: async () => {
      await audit.close()
      await Promise.all([listener.close(), sql.end({ timeout: 1 })])
    },
  }
}
