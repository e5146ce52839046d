/** What systemd does for the stack by itself: backups, their copies elsewhere, proofs, a nightly look, and alerts when a unit fails. */
import { readFile } from 'node:fs/promises'
import type { Context } from './context.ts'
import { files, fill } from './files.ts'
import type { Resource } from './resource.ts'

/** A timer and a service of this name each. Those without a remote are skipped by a condition of their service. */
const JOBS = ['backup', 'offsite', 'audit', 'prove-restore', 'doctor'].map((name) => `whatsapp-mcp-${name}`)
const TIMERS = JOBS.map((name) => `${name}.timer`)
const UNITS = [
  'whatsapp-mcp-notify@.service',
  ...JOBS.flatMap((name) => [`${name}.service`, `${name}.timer`]),
  // The distribution's own unit, which then also proves what nginx serves.
  'certbot.service.d/whatsapp-mcp.conf',
]

/** Six hours are what is lost at most; UTC, so that no clock change doubles or drops a backup. */
const EVERY_SIX_HOURS = '*-*-* 0/6:00:00 UTC'

/** The units of all jobs, filled in for this host. */
export function jobUnits({ root, answers, shell }: Context): Resource {
  const values = {
    root,
    domain: answers.domain,
    backup_calendar: answers.backup_calendar ?? EVERY_SIX_HOURS,
  }
  return files(
    'units of the jobs',
    () =>
      Promise.all(
        UNITS.map(async (name) => ({
          path: `/etc/systemd/system/${name}`,
          text: fill(await readFile(`${root}/systemd/${name}`, 'utf8'), values),
          mode: 0o644,
        })),
      ),
    async () => {
      await shell()`systemctl daemon-reload`
    },
  )
}

/** The timers, running and started at every boot. */
export function timers({ shell }: Context): Resource {
  return {
    title: 'timers of the jobs',
    async inspect() {
      const enabled = await shell({ allowFailure: true })`systemctl is-enabled ${TIMERS}`
      const active = await shell({ allowFailure: true })`systemctl is-active ${TIMERS}`
      const states = [enabled, active].map(({ stdout }) => stdout.trim().split('\n'))
      const wrong = TIMERS.filter((_, i) => states[0]?.[i] !== 'enabled' || states[1]?.[i] !== 'active')
      return wrong.length === 0 ? undefined : `not enabled and active: ${wrong.join(', ')}`
    },
    async apply() {
      await shell()`systemctl enable --now ${TIMERS}`
    },
  }
}

/** Without waiting for it: a new timer waits for its hour, and until then there would be no backup at all. */
export async function startFirstBackup({ paths, shell }: Context): Promise<boolean> {
  const records = await readFile(`${paths.state}/jobs/backup-db.json`).catch(() => undefined)
  if (records !== undefined) return false
  await shell()`systemctl start --no-block whatsapp-mcp-backup.service`
  return true
}
