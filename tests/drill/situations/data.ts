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

/** The place of the copies is named anew. */
export const offsite: Situation = async (stage) => {
  const named = await stage.host.read('/run/whatsapp-mcp/secrets/host/offsite_remote')
  // The same place in other words, as the same words would be no change.
  const typed = { 'offsite-remote': () => named.trim().replace('{', '{ ') }
  await stage.read('offsite.md', { typed })
}

/** A recovery has ended: the scenario `recover` has done what comes before; here is what its reader does then. */
export const recovered: Situation = async (stage) => {
  await stage.read('recover-host.md')
}
