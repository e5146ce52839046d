import {
  AUDIT_UNIT,
  type AuditRecord,
  atArchive,
  closeSegment,
  SEGMENTS,
  segmentsThere,
  setUpArchive,
  ship,
  verifyThere,
} from '../lib/archive.ts'
import { attackArchive } from '../lib/archive-attack.ts'
import { REPOSITORY } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { until } from '../lib/progress.ts'
import { execute, readPage } from '../lib/runbook/execute.ts'
import { VAULT } from '../lib/vault.ts'

export const title = 'the audit log is on another machine within the hour, where nobody can rewrite it'

/** Parts of a whole run after which it is killed: before it asks, between question and answer, while it sends, while it signs. */
const KILL_AFTER = [0.15, 0.3, 0.45, 0.6, 0.75, 0.9] as const

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const { vault } = drill.world
  // The timer's own runs would race with ours.
  await host.exec(['systemctl', 'stop', 'whatsapp-mcp-audit.timer'])
  await ended(host)

  await byTheBook(drill, host)
  await closeSegment(host)
  const first = await ship(host)
  drill.expect('its service sends what was closed', first.ok && (first.result?.sent ?? 0) > 0, said(first))
  const age = first.result?.archive?.age_seconds ?? Number.POSITIVE_INFINITY
  drill.expect('the far side finds it whole and fresh', first.ok && age < 60, said(first))
  const there = await verifyThere(vault)
  drill.expect('so does its own operator, without the host', there.whole, there.said)
  const again = await ship(host)
  drill.expect('a second run sends nothing', again.ok && again.result?.sent === 0, said(again))

  await attackArchive(drill, host)
  await tampered(drill, host)
  await unreachable(drill, host)
  await killed(drill, host)
  const last = await verifyThere(vault)
  drill.expect('after all that the archive is whole', last.whole, last.said)
  await asBefore(drill, host)
}

/** Sets it up anew as the page says, which is also how the key is replaced. */
async function byTheBook(drill: Drill, host: Host): Promise<void> {
  await execute(await readPage('audit-archive.md'), {
    ...{ drill, host, scenario: 'audit', own: atArchive(drill.world.vault) },
    given: { 'archive-host': VAULT },
  })
}

/** The key of the material again: a host that is restored from it must find its way. */
async function asBefore(drill: Drill, host: Host): Promise<void> {
  await host.exec(['git', '-C', REPOSITORY, 'checkout', '--quiet', 'secrets/secrets.enc.yaml'])
  await setUpArchive(drill.world.vault, drill.world.material.clone)
  await host.exec(['systemctl', 'restart', 'whatsapp-mcp'], { limit: 180 })
  const back = await ship(host)
  drill.expect('with the key of before it goes on', back.ok, said(back))
  await host.exec(['systemctl', 'start', 'whatsapp-mcp-audit.timer'])
}

/** Somebody on the far side changes a segment, and then takes one away. */
async function tampered(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  const [name = ''] = await segmentsThere(vault)
  const path = `${SEGMENTS}/${name}`
  await vault.exec(['cp', '-a', path, '/root/whole.gz'])
  const forge = 'zcat /root/whole.gz | sed "1s/\\"outcome\\":\\"ok\\"/\\"outcome\\":\\"no\\"/" | gzip > "$1"'
  await vault.exec(['sh', '-euc', forge, 'sh', path])
  await closeSegment(host)
  const held = (await segmentsThere(vault)).length
  const alarm = await ship(host)
  drill.expect(
    'a segment rewritten there is an alarm',
    !alarm.ok && alarm.error?.message.includes(name) === true,
    said(alarm),
  )
  drill.expect('and nothing is sent on top of it', (await segmentsThere(vault)).length === held)
  const found = await verifyThere(vault)
  drill.expect('the far side finds the row itself', /FAULT .*row 1 was changed/.test(found.said), found.said)
  await vault.exec(['cp', '-a', '/root/whole.gz', path])
  await vault.exec(['rm', `${path}`])
  const missing = await verifyThere(vault)
  drill.expect('a segment that is missing is found', !missing.whole, missing.said)
  const filled = await ship(host)
  drill.expect('the next run fills it in', filled.ok && filled.result?.sent === 2, said(filled))
}

async function unreachable(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  await vault.cut()
  try {
    await closeSegment(host)
    const failed = await ship(host)
    const message = failed.error?.message ?? ''
    drill.expect(
      'unreachable, the job fails and says so',
      /vault\.drill\.test.* cannot be reached/.test(message),
      said(failed),
    )
    await closeSegment(host)
  } finally {
    await vault.mend()
  }
  const caughtUp = await ship(host)
  drill.expect('back again, it catches up', caughtUp.ok && caughtUp.result?.sent === 2, said(caughtUp))
}

async function killed(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  const kill = 'systemctl start --no-block "$1"; sleep "$2"; systemctl kill --signal KILL "$1"'
  const ends: string[] = []
  const whole = await secondsOfRun(host)
  for (const part of KILL_AFTER) {
    await closeSegment(host)
    await host.exec(['systemctl', 'reset-failed', AUDIT_UNIT], { mayFail: true })
    await host.sh(kill, [AUDIT_UNIT, (part * whole).toFixed(2)], { mayFail: true })
    await ended(host)
    ends.push((await host.exec(['systemctl', 'show', '-P', 'Result', AUDIT_UNIT])).stdout.trim())
  }
  drill.expect(
    'it was killed while it worked',
    ends.filter((end) => end === 'signal').length > 2,
    `${ends.join(' ')}; a whole run takes ${whole.toFixed(2)} s`,
  )
  const names = await vault.exec(['find', SEGMENTS, '-name', '*.gz', '-size', '-20c'])
  drill.expect('killed anywhere, nothing half has a name', names.stdout === '', names.stdout)
  const next = await ship(host)
  drill.expect('the next run completes', next.ok, said(next))
  const left = await host.sh('ls -AR /run/whatsapp-mcp-audit* /run/whatsapp-mcp-private* 2>/dev/null || true')
  drill.expect('no key is left behind', left.stdout === '', left.stdout)
}

/** On this machine, now: as one segment is sent. */
async function secondsOfRun(host: Host): Promise<number> {
  await closeSegment(host)
  const timed = 'start=$(date +%s%N); systemctl start "$1"; echo $(( $(date +%s%N) - start ))'
  return Number((await host.sh(timed, [AUDIT_UNIT])).stdout) / 1e9
}

async function ended(host: Host): Promise<void> {
  await until('end of the job', 60, async () => {
    const { stdout } = await host.exec(['systemctl', 'is-active', AUDIT_UNIT], { mayFail: true })
    return stdout.trim() === 'activating' ? undefined : true
  })
}

const said = (record: AuditRecord): string => JSON.stringify(record)
