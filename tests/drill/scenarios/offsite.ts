import * as z from 'zod'
import { REPOSITORY } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { until } from '../lib/progress.ts'
import { tail } from '../lib/run.ts'
import { attackVault } from '../lib/vault-attack.ts'

export const title = 'copies leave the host sealed, survive every interruption, and cannot be taken back'

const NODE = `${REPOSITORY}/node_modules/.bin/node`
/** Five seconds of a slow line. */
const BIG_MB = 96
const MEDIA = '/var/lib/whatsapp-mcp/media'
const OFFSITE_SECRET = '/run/whatsapp-mcp/secrets/host/offsite_remote'
const TIMERS = ['whatsapp-mcp-backup.timer', 'whatsapp-mcp-offsite.timer']
const SETS = '/var/lib/whatsapp-mcp/backups/sets'

const recordSchema = z.object({
  ok: z.boolean(),
  seconds: z.number(),
  result: z
    .object({
      newest_set: z.string().nullable(),
      newest_set_age_seconds: z.number().nullable(),
      sets_sent: z.number(),
      media: z.number(),
      media_sent: z.number(),
      bytes_sent: z.number(),
    })
    .optional(),
  error: z.object({ message: z.string() }).optional(),
})

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const { vault } = drill.world
  // The timers' own runs would race with ours.
  await host.exec(['systemctl', 'stop', ...TIMERS])
  await settled(host)
  await addMedia(host, 'first', 40, 50_000)
  await backUp(host)

  const first = await sync(host)
  drill.expect(
    'the first run sends a set and the media',
    first.ok && (first.result?.media ?? 0) >= 40,
    said(first),
  )
  const newest = first.result?.newest_set
  drill.expect(
    'the newest set of the host is there',
    newest === (await newestSet(host)) && newest !== null,
    `${newest} there, ${await newestSet(host)} here`,
  )
  drill.measured.offsiteAgeSeconds = first.result?.newest_set_age_seconds ?? Number.POSITIVE_INFINITY

  const before = await vault.checksums()
  const second = await sync(host)
  drill.expect('a second run sends nothing', second.ok && second.result?.bytes_sent === 0, said(second))
  drill.expect('and changes nothing there', same(before, await vault.checksums()))

  await unreachable(drill, host)
  await killed(drill, host)
  await brokenOff(drill, host)
  await onlySealed(drill, host)
  await keyNowhere(drill, host)
  await attackVault(drill, host)
  // No row names them, so they would not come back with the host.
  await host.exec(['rm', '-r', `${MEDIA}/49151`])
  await host.exec(['systemctl', 'start', ...TIMERS])
}

async function unreachable(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  await vault.cut()
  try {
    await addMedia(host, 'cut', 5, 20_000)
    await backUp(host)
    const failed = await sync(host)
    drill.expect('unreachable, the job fails', !failed.ok, said(failed))
    drill.expect(
      'and says what it could not reach',
      /vault\.drill\.test/.test(failed.error?.message ?? ''),
      said(failed),
    )
    drill.expect('within two minutes', failed.seconds < 120, `${failed.seconds} s`)
    const unit = await host.exec(['systemctl', 'start', 'whatsapp-mcp-offsite.service'], {
      mayFail: true,
      limit: 180,
    })
    drill.expect('its service fails as well', unit.code !== 0, unit.stderr)
  } finally {
    await vault.mend()
  }
  const started = await host.exec(['systemctl', 'start', 'whatsapp-mcp-offsite.service'], {
    mayFail: true,
    limit: 180,
  })
  const record = await lastRecord(host)
  drill.expect('back again, its service catches up', started.code === 0 && record.ok, said(record))
  drill.expect(
    'with the set made meanwhile',
    record.result?.newest_set === (await newestSet(host)),
    said(record),
  )
  drill.expect('and its media', record.result?.media_sent === 5, said(record))
}

/** Killed with everything it started, while a large file is on its way over a line of 20 MB/s. */
async function killed(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  await addMedia(host, 'big', 1, BIG_MB * 1_000_000)
  await backUp(host)
  const before = await vault.list()
  const limit = ['root', 'tbf', 'rate', '160mbit', 'burst', '256kb', 'latency', '400ms']
  await host.exec(['tc', 'qdisc', 'add', 'dev', 'eth0', ...limit])
  await host.exec(['systemctl', 'start', '--no-block', 'whatsapp-mcp-offsite.service'])
  const partial = await until(
    'the upload of the large file',
    60,
    async () => {
      const found = [...(await vault.list())].find(([name]) => name.includes('big') && !before.has(name))
      return found
    },
    0.02,
  )
  await host.exec(['systemctl', 'kill', '--signal', 'KILL', 'whatsapp-mcp-offsite.service'])
  await settled(host)
  await host.exec(['tc', 'qdisc', 'del', 'dev', 'eth0', 'root'])
  const left = (await vault.list()).get(partial[0]) ?? 0
  drill.expect(
    'killed in the middle of an upload',
    left > 0 && left < BIG_MB * 1_000_000,
    `${left} bytes arrived`,
  )
  const next = await sync(host)
  drill.expect('the next run completes', next.ok, said(next))
  const again = [...(await vault.list())].filter(([name]) => name.includes('big'))
  const whole = again.some(([, bytes]) => bytes > BIG_MB * 1_000_000)
  drill.expect('beside what broke off, which nobody may remove', whole && again.length === 2, again.join(' '))
  const files = await host.sh('ls -A /run /var/lib/whatsapp-mcp/backups')
  drill.expect('nothing is left of the killed run', !/private|offsite\.\d+/.test(files.stdout), files.stdout)
}

/** As a far side that lost its power leaves them: every file of the newest set too short. */
async function brokenOff(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  const newest = await newestSet(host)
  for (const [name, bytes] of await vault.list()) {
    if (name.startsWith(`sets/${newest}`)) await vault.truncate(name, Math.floor(bytes / 2))
  }
  const mended = await sync(host)
  drill.expect(
    'a set that broke off is sent again',
    mended.ok && mended.result?.sets_sent === 1,
    said(mended),
  )
  const names = [...(await vault.list()).keys()].filter((name) => name.startsWith(`sets/${newest}`))
  drill.expect(
    'under names that were free',
    names.filter((name) => name.endsWith('.1')).length === 3,
    names.join(' '),
  )
}

/** The key of the host opens nothing that was sent. */
async function onlySealed(drill: Drill, host: Host): Promise<void> {
  const { vault } = drill.world
  const names = [...(await vault.list()).keys()].filter((name) => !name.includes('manifest.json'))
  const heads = await vault.exec([
    'sh',
    '-c',
    'cd /srv/offsite/backups && for f in "$@"; do head -c 21 "$f"; echo; done',
    'sh',
    ...names,
  ])
  const sealed = heads.stdout
    .trim()
    .split('\n')
    .every((line) => line === 'age-encryption.org/v1')
  drill.expect('all of it is sealed, but for manifests', sealed && names.length > 0, tail(heads.stdout, 5))
  const dump = await vault.exec(['sh', '-c', 'base64 -w0 /srv/offsite/backups/sets/*.database.dump.age.1'])
  await host.sh('base64 -d > /run/drill-sealed', [], { input: dump.stdout })
  const opened = await host.exec(
    ['age', '-d', '-i', '/etc/whatsapp-mcp/age.key', '-o', '/dev/null', '/run/drill-sealed'],
    { mayFail: true },
  )
  drill.expect(
    'the host’s key does not open it',
    opened.code !== 0 && /no identity matched/.test(opened.stderr),
    opened.stderr,
  )
  await host.exec(['rm', '/run/drill-sealed'])
}

/** The key that opens the far side is where all secrets are, in memory, and in no other file. */
async function keyNowhere(drill: Drill, host: Host): Promise<void> {
  const line = drill.world.vault.keys.users.offsite.privateKey.split('\n')[2] ?? ''
  const skip = ['proc', 'sys', 'docker', 'containerd'].map((name) => `--exclude-dir=${name}`)
  const found = await host.exec(['grep', '-rlsF', ...skip, '-f', '-', '/'], {
    input: `${line}\n`,
    mayFail: true,
    limit: 120,
  })
  const places = found.stdout.trim().split('\n')
  drill.expect('the key to the far side is nowhere else', places.join() === OFFSITE_SECRET, places.join(' '))
}

/** Files as the server leaves them. */
async function addMedia(host: Host, kind: string, count: number, bytes: number): Promise<void> {
  const script = `d="$1/49151/2026/11"; install -d -o 65532 -g 65532 -m 0750 "$1/49151" "$1/49151/2026" "$d"
    for i in $(seq "$3"); do head -c "$4" /dev/urandom > "$d/$2-$i.jpg"; done
    chown 65532:65532 "$d"/*; chmod 0640 "$d"/*`
  await host.sh(script, [MEDIA, kind, String(count), String(bytes)])
}

async function backUp(host: Host): Promise<void> {
  for (const job of ['backup-db', 'backup-media'])
    await host.exec([NODE, `${REPOSITORY}/scripts/${job}.ts`], { limit: 180 })
}

async function newestSet(host: Host): Promise<string> {
  return (await host.exec(['ls', SETS])).stdout.trim().split('\n').sort().at(-1) ?? ''
}

async function sync(host: Host): Promise<z.infer<typeof recordSchema>> {
  const { stdout, stderr } = await host.exec([`${REPOSITORY}/scripts/sync-offsite.sh`, '--json'], {
    limit: 300,
    mayFail: true,
  })
  if (!stdout.trimStart().startsWith('{'))
    throw new Error(`sync-offsite printed no record\n${tail(stderr, 20)}`)
  return recordSchema.parse(JSON.parse(stdout))
}

async function lastRecord(host: Host): Promise<z.infer<typeof recordSchema>> {
  return recordSchema.parse(JSON.parse(await host.read('/var/lib/whatsapp-mcp/jobs/sync-offsite.json')))
}

/** Waits until no job of the timers runs. */
async function settled(host: Host): Promise<void> {
  const units = ['whatsapp-mcp-backup.service', 'whatsapp-mcp-offsite.service']
  await until('the end of the running jobs', 180, async () => {
    const { stdout } = await host.exec(['systemctl', 'is-active', ...units], { mayFail: true })
    return /^(activating|active|deactivating)$/m.test(stdout) ? undefined : true
  })
}

function said(record: z.infer<typeof recordSchema>): string {
  return JSON.stringify(record.error ?? record.result)
}

function same(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, sum]) => b.get(name) === sum)
}
