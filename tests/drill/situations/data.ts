import { sql } from '../lib/data.ts'
import type { Situation } from '../lib/runbook/stage.ts'

/** Sets are looked at, proved, made and sent. */
export const backups: Situation = async (stage) => {
  await stage.read('backups.md')
}

/** Somebody has deleted what customers wrote. */
export const databaseRestore: Situation = async (stage) => {
  const { host, drill } = stage
  await stage.customerWrites('Do not lose this.')
  await host.exec(['systemctl', 'start', 'whatsapp-mcp-backup'], { limit: 300 })
  const count = async () => (await sql(host, 'select count(*) from messages'))[0]?.[0] ?? '0'
  const before = await count()
  await sql(stage.host, 'begin; set local session_replication_role = replica; delete from messages; commit')
  await stage.read('incidents/database-restore.md')
  const after = await count()
  drill.expect(
    'every message is back',
    before !== '0' && after === before,
    `${before} before, ${after} after`,
  )
}
