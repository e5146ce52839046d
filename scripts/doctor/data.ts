import { statfs } from 'node:fs/promises'
import { type JobName, readRecord } from '../backup/job.ts'
import { hostSecret } from '../lib/host-secrets.ts'
import { admin } from './ask.ts'
import { type Check, type Finding, no, yes } from './check.ts'

const HOUR = 3600

/** Whether a job went well not too long ago. */
async function fresh(job: JobName, hours: number, next: string): Promise<Finding> {
  const record = await readRecord(job)
  if (record?.last_success == null) return no('it never went well', next)
  const seconds = (Date.now() - Date.parse(record.last_success)) / 1000
  const age = `${(seconds / HOUR).toFixed(1)} hours ago`
  if (seconds < 0) return no(`its last success is in the future (${record.last_success})`, 'timedatectl')
  return seconds <= hours * HOUR ? yes(age) : no(`last ${age}`, next)
}

function unit(name: string): string {
  return `systemctl start ${name}; journalctl -u ${name} -e`
}

export const data: readonly Check[] = [
  {
    id: 'data.backup-fresh',
    statement: 'a verified backup of the database is younger than half a day',
    look: () => fresh('backup-db', 12, unit('whatsapp-mcp-backup')),
  },
  {
    id: 'data.media-fresh',
    statement: 'so is a snapshot of the media',
    look: () => fresh('backup-media', 12, unit('whatsapp-mcp-backup')),
  },
  {
    id: 'data.restore-proved',
    statement: 'a backup was really restored within the last eight days',
    look: () => fresh('prove-restore', 8 * 24, unit('whatsapp-mcp-prove-restore')),
  },
  {
    id: 'data.offsite-fresh',
    statement: 'a copy that this host cannot open is elsewhere, younger than a day',
    async look() {
      if ((await hostSecret('offsite_remote')) === undefined)
        return no('no place is set', 'docs/operations/offsite.md')
      return fresh('sync-offsite', 24, unit('whatsapp-mcp-offsite'))
    },
  },
  {
    id: 'data.audit-shipped',
    statement: 'the audit log is on another machine, up to date within two hours',
    async look() {
      if ((await hostSecret('audit_remote')) === undefined)
        return no('no place is set', 'docs/operations/audit-archive.md')
      return fresh('sync-audit', 2, unit('whatsapp-mcp-audit'))
    },
  },
  {
    id: 'data.audit-chain',
    statement: 'the chain of the audit log is whole',
    async look() {
      return (await admin('audit', 'verify')) === undefined
        ? no('audit verify fails', 'wa audit verify')
        : yes('every row follows from the one before')
    },
  },
  {
    id: 'data.disk',
    statement: 'a fifth of the disk is free, and of its inodes',
    async look() {
      const { bavail, blocks, ffree, files } = await statfs('/var/lib')
      const free = [bavail / blocks, files === 0 ? 1 : ffree / files].map((share) => Math.round(share * 100))
      const found = `${free[0]} % of the space, ${free[1]} % of the inodes`
      return Math.min(...free) >= 20 ? yes(found) : no(found, 'docs/operations/incidents/disk-full.md')
    },
  },
]
