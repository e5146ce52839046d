import { bootstrap, follow, mustSucceed } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import { compareFingerprints, takeFingerprint } from '../lib/fingerprint.ts'
import type { Host } from '../lib/host.ts'
import { killAt, wasKilled } from '../lib/kill-at.ts'
import { say } from '../lib/progress.ts'
import { tail } from '../lib/run.ts'

export const title = 'killed anywhere and run again, it ends in the same state'

const POINTS = [
  { what: 'inside the installation of Node', line: 'installing nodejs', after: 4 },
  { what: 'inside the installation of the modules', line: 'packages of the lockfile', after: 1 },
  { what: 'inside apt', line: '… packages$', after: 6 },
  { what: 'inside the order of the certificate', line: '… certificate$', after: 1 },
  { what: 'inside the image pull', line: '… images$', after: 1 },
  { what: 'before 10-age-key', line: '^==> 10-', after: 0 },
  { what: 'before 20-certbot', line: '^==> 20-', after: 0 },
  { what: 'before 30-secrets', line: '^==> 30-', after: 0 },
  { what: 'before 40-stack', line: '^==> 40-', after: 0 },
  { what: 'inside the start of the stack', line: '… stack$', after: 2 },
  { what: 'before 50-smoke', line: '^==> 50-', after: 0 },
] as const

export async function run(drill: Drill): Promise<void> {
  const { fingerprint } = await drill.undisturbed()
  const host = await drill.freshHost('interrupted')
  for (const [index, point] of POINTS.entries()) {
    const reached = await runAndKill(host, `drill-${index}`, point)
    drill.expect(`killed ${point.what}`, reached === '', reached)
    if (point.what === 'inside the image pull') await withoutRegistry(drill, host)
  }
  const last = await bootstrap(host, { onLine: follow })
  const report = mustSucceed(last)
  drill.expect('run to its end, it succeeds', report.ok)
  const different = compareFingerprints(fingerprint, await takeFingerprint(host))
  drill.expect('the end state is that of an undisturbed host', different.length === 0, different.join('\n'))
  const again = mustSucceed(await bootstrap(host, { args: [] }))
  drill.expect('the run after that changes nothing', again.changed === 0, `${again.changed} changes`)
}

/** @returns why it was not killed there, or '' */
async function runAndKill(host: Host, unit: string, point: (typeof POINTS)[number]): Promise<string> {
  const result = await bootstrap(host, {
    under: await killAt(unit, point),
  })
  if (result.report !== undefined) return `it ran to its end\n${tail(result.stderr, 20)}`
  if (!wasKilled(result.stderr)) return `it ended by itself\n${tail(result.stderr, 20)}`
  say(`    killed ${point.what}`)
  return ''
}

async function withoutRegistry(drill: Drill, host: Host): Promise<void> {
  await drill.world.network.stop('registry')
  try {
    const result = await bootstrap(host)
    const failure = result.report?.failure
    drill.expect(
      'without the registry it fails',
      result.code === 1 && failure !== undefined,
      tail(result.stderr, 20),
    )
    const named = /registry\.drill\.test/.test(`${failure?.message} ${failure?.next}`)
    drill.expect('and names the registry', named, `${failure?.message}\n${failure?.next}`)
  } finally {
    await drill.world.network.start('registry')
  }
}
