import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeAuditSegment } from '../../../server/audit/archive.ts'
import type { AuditEntry } from '../../../server/audit/audit.ts'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { createAudit } from '../../../server/audit/writer.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createLogger } from '../../../server/log.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'

export const ENTRY: AuditEntry = { action: 'tool.call', outcome: 'ok', transport: 'http' }
export const log = createLogger('silent')

/** An empty chain, and a directory for its segments. */
export interface AuditStage {
  readonly db: TestDatabase
  /** As the server connects. */
  readonly app: Database
  readonly dir: string
  /** Another connection of the server's role. */
  connect(url?: URL, max?: number): Database
  /** So many entries, all at once, so that they share transactions. */
  record(count: number, entry?: Partial<AuditEntry>): Promise<void>
  /** The first fault of the chain, undefined when there is none. */
  fault(archive?: string): Promise<string | undefined>
  /** @returns the segment's name below `into` */
  close(into?: string): Promise<string>
  /** An empty chain again. */
  clear(): Promise<void>
  stop(): Promise<void>
}

export async function startAuditStage(): Promise<AuditStage> {
  const db = await createDatabase()
  await db.migrate()
  const connectApp = (url = db.url, max = 2) => connect({ url, role: 'wa_app', password: PASSWORDS.app, max })
  const app = connectApp()
  const dir = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-audit-'))
  return {
    ...{ db, app, dir },
    connect: connectApp,
    record: async (count, entry = {}) => {
      const audit = createAudit({ sql: app, log })
      await Promise.all(
        Array.from({ length: count }, (_, index) =>
          audit.record({ ...ENTRY, requestId: `r${index}`, ...entry }),
        ),
      )
      await audit.close()
    },
    fault: async (archive) => {
      const verdict = await verifyAudit(app, archive)
      return verdict.ok ? undefined : verdict.fault
    },
    close: (into = dir) => closeAuditSegment({ sql: app, dir: into, log }),
    clear: async () => {
      await db.sql`truncate audit_log, audit_segments`
      await db.sql`delete from audit_head`
      await db.sql`insert into audit_head (id, hash) values (0, decode(repeat('00', 32), 'hex'))`
    },
    stop: async () => {
      await app.end({ timeout: 1 })
      await db.drop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
