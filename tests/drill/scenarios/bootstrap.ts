import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mustSucceed } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import { type Host, PACKAGES } from '../lib/host.ts'
import { timed, until } from '../lib/progress.ts'

export const title = 'an empty host becomes a healthy stack'

/** What a bare Debian 13 host needs from the distribution; compared below with what the bootstrap really installs. */
const NAMES =
  'nodejs npm ca-certificates docker.io docker-cli docker-compose certbot ufw age rclone openssh-client unattended-upgrades systemd-timesyncd'

export async function run(drill: Drill): Promise<void> {
  const floor = await measureFloor(drill)
  const { host, run: result } = await drill.undisturbed()
  const report = mustSucceed(result)
  drill.measured.bootstrapSeconds = result.seconds
  drill.measured.bootstrapOverFloor = result.seconds / floor.seconds

  const steps = ['00-install', '10-age-key', '20-certbot', '30-secrets', '40-stack', '50-smoke']
  const ran = report.steps.map(({ id }) => id)
  drill.expect('the six steps ran in order', ran.join() === steps.join(), ran.join(' '))
  const bad = report.steps.filter(({ state }) => state !== 'changed' && state !== 'ok')
  drill.expect('every step changed something or found it well', bad.length === 0, bad.map((s) => s.id).join())
  drill.expect('it changed something', report.changed > 0, `${report.changed} changes`)
  drill.expect('the client gets /health 200 by HTTPS', await healthy(drill))
  const failed = await host.exec(['systemctl', '--failed', '--no-legend', '--plain'])
  drill.expect('no unit failed', failed.stdout.trim() === '', failed.stdout)
  const packages = await installedPackages(host)
  const difference = [...packages].filter((name) => !floor.packages.has(name))
  const missing = [...floor.packages].filter((name) => !packages.has(name))
  drill.expect(
    'its floor installs the same packages',
    difference.length + missing.length === 0,
    `only in the bootstrap: ${difference.join(' ') || 'none'}; only in the floor: ${missing.join(' ') || 'none'}`,
  )
}

/** Asked again for some seconds: the first backup has just begun, and a machine busy with other drills answers 503. */
async function healthy(drill: Drill): Promise<boolean> {
  const url = 'https://wa.drill.test/health'
  const curl = ['curl', '-s', '--cacert', '/root/acme-root.pem', '-w', '%{http_code}', url]
  const ask = async () => (await drill.world.network.client(curl, { mayFail: true })).stdout.endsWith('200')
  return until('health', 10, async () => (await ask()) || undefined, 2).catch(() => false)
}

async function installedPackages(host: Host): Promise<ReadonlySet<string>> {
  const { stdout } = await host.exec(['dpkg-query', '--show'])
  return new Set(stdout.split('\n').flatMap((line) => line.split('\t')[0] || []))
}

/** On a host of its own, before the bootstrap. What the outer machine could keep in its caches is fetched once before both. */
async function measureFloor(drill: Drill): Promise<{ seconds: number; packages: ReadonlySet<string> }> {
  const script = await readFile(join(import.meta.dirname, '..', 'floor.sh'))
  const { app, postgres, nginx } = drill.world.stack
  const host = await drill.freshHost('floor')
  await timed('warm the mirror', () =>
    host.sh(
      'apt-get -q update; apt-get -yq --no-install-recommends --download-only install $1; mv /var/cache/apt/archives/*.deb $2; rm -rf /var/lib/apt/lists/*',
      [NAMES, PACKAGES],
      { limit: 300 },
    ),
  )
  const result = await timed('floor', () =>
    host.exec(['sh', '-s', NAMES, postgres, nginx, app], { input: script, limit: 600 }),
  )
  for (const line of result.stdout.trim().split('\n')) {
    const [name, seconds] = line.split(' ')
    if (name) drill.floor[name] = Number(seconds)
  }
  drill.floor.total = result.seconds
  return { seconds: result.seconds, packages: await installedPackages(host) }
}
