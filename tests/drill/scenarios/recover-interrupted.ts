import { ANSWERS, KEY_FILE, REPOSITORY } from '../lib/bootstrap.ts'
import { takeContents } from '../lib/data.ts'
import type { Drill } from '../lib/drill.ts'
import { compareFingerprints } from '../lib/fingerprint.ts'
import type { Host } from '../lib/host.ts'
import { killAt, wasKilled } from '../lib/kill-at.ts'
import { say, timed } from '../lib/progress.ts'
import { tail } from '../lib/run.ts'

export const title = 'a recovery that is killed anywhere and run again ends in the same state'

/** On a tmpfs, as the hidden prompt would leave it nowhere. */
const RECOVERY_KEY = '/run/drill-recovery.key'

const POINTS = [
  { what: 'while certificates are put in place', line: '^==> host files', after: 0 },
  { what: 'while media arrive', line: '^==> bring media', after: 2 },
  { what: 'before the database runs', line: '^==> empty database', after: 1 },
  { what: 'inside the restore', line: '^==> restore database', after: 2 },
  { what: 'while media are compared', line: '^==> check media', after: 0 },
  { what: 'inside the start', line: '^==> start and prove', after: 3 },
] as const

export async function run(drill: Drill): Promise<void> {
  const { lost } = drill
  if (lost === undefined) throw new Error('there is no lost host: choose the scenario recover as well')
  const host = await drill.freshHost('recovered-again', { stocked: true })
  await host.exec(['rm', ANSWERS, KEY_FILE])
  await host.write(RECOVERY_KEY, `${drill.world.material.recoveryKey}\n`, '0400')
  // By name: meanwhile the host of the scenario before has made sets of its own.
  const command = [
    `${REPOSITORY}/scripts/restore-host.sh`,
    '--yes',
    '--recovery-key-file',
    RECOVERY_KEY,
    '--set',
    lost.set,
  ]
  for (const [index, point] of POINTS.entries()) {
    const reached = await runAndKill(host, `drill-recover-${index}`, point, command)
    drill.expect(`killed ${point.what}`, reached === '', reached)
  }
  const last = await timed('recovery, to its end', () => host.exec(command, { mayFail: true, limit: 900 }))
  drill.expect('run to its end, it succeeds', last.code === 0, tail(last.stderr, 40))
  const different = compareFingerprints(lost.contents, await takeContents(host))
  drill.expect(
    'rows, media files and certificates equal those of the lost host',
    different.length === 0,
    different.slice(0, 40).join('\n'),
  )
  const left = await host.sh(
    'ls -d /var/lib/whatsapp-mcp/recovery /etc/letsencrypt.* /run/whatsapp-mcp-private.* 2>/dev/null || true',
  )
  drill.expect('none of the killed runs left anything', left.stdout === '', left.stdout)
  const again = await host.exec(command, { mayFail: true })
  drill.expect('and it is over: the next run is refused', again.code === 3, tail(again.stderr, 8))
}

/** @returns why it was not killed there, or '' */
async function runAndKill(
  host: Host,
  unit: string,
  point: (typeof POINTS)[number],
  command: readonly string[],
): Promise<string> {
  const result = await host.exec([...(await killAt(unit, point)), ...command], { mayFail: true, limit: 900 })
  if (!wasKilled(result.stderr)) return `it ended by itself\n${tail(result.stderr, 20)}`
  say(`    killed ${point.what}`)
  return ''
}
