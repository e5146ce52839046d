import * as z from 'zod'
import { REPOSITORY } from '../lib/bootstrap.ts'
import { sql } from '../lib/data.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { until } from '../lib/progress.ts'

export const title = 'backups are whole, equal to what is there, and survive being killed'

const SETS = '/var/lib/whatsapp-mcp/backups/sets'
const MEDIA = '/var/lib/whatsapp-mcp/backups/media'
const UNIT = 'whatsapp-mcp-backup.service'

const recordSchema = z.object({
  job: z.string(),
  ok: z.boolean(),
  result: z.record(z.string(), z.unknown()).optional(),
  last_success: z.string().nullable(),
})

const manifestSchema = z.object({
  name: z.string(),
  commit: z.string().regex(/^[0-9a-f]{40}$/),
  database: z.object({
    migration: z.string(),
    tables: z.array(z.object({ name: z.string(), rows: z.number() })),
  }),
  files: z.array(z.object({ name: z.string(), bytes: z.number(), sha256: z.string() })),
  images: z.record(z.string(), z.string()),
})

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  await firstBackup(drill, host)
  await putMedia(host)
  const started = await host.exec(['systemctl', 'start', UNIT], { mayFail: true, limit: 120 })
  drill.expect('the timer’s service makes a set', started.code === 0, await journal(host))
  const [newest = '', ...older] = await sets(host)
  await checkSet(drill, host, newest)
  await checkMedia(drill, host)
  await checkRights(drill, host)
  await again(drill, host, [newest, ...older])
  await together(drill, host)
  await killed(drill, host)
}

/** The bootstrap starts it and does not wait; its timer waits for its hour. */
async function firstBackup(drill: Drill, host: Host): Promise<void> {
  const record = await until('first backup', 60, async () => {
    const found = await host.exec(['cat', '/var/lib/whatsapp-mcp/jobs/backup-db.json'], { mayFail: true })
    return found.code === 0 ? recordSchema.parse(JSON.parse(found.stdout)) : undefined
  })
  drill.expect('the bootstrap made a first backup', record.ok && record.last_success !== null)
  await until('end of the first backup', 60, async () => {
    const state = await host.exec(['systemctl', 'is-active', UNIT], { mayFail: true })
    return state.stdout.trim() === 'inactive' || undefined
  })
  const timer = await host.exec(['systemctl', 'is-active', 'whatsapp-mcp-backup.timer'], { mayFail: true })
  drill.expect('the timer waits for the next', timer.stdout.trim() === 'active', timer.stdout)
}

async function checkSet(drill: Drill, host: Host, name: string): Promise<void> {
  const manifest = manifestSchema.parse(JSON.parse(await host.read(`${SETS}/${name}/manifest.json`)))
  const sums = manifest.files.map((file) => `${file.sha256}  ${file.name}\n`).join('')
  const checked = await host.sh('cd "$1" && sha256sum --check --strict', [`${SETS}/${name}`], {
    input: sums,
    mayFail: true,
  })
  drill.expect('its files are what the manifest says', checked.code === 0, checked.stdout + checked.stderr)
  const names = (await host.exec(['ls', '-A', `${SETS}/${name}`])).stdout.split('\n').filter(Boolean)
  drill.expect(
    'nothing else is in it',
    names.join() === 'database.dump,host.tar.age,manifest.json',
    names.join(),
  )
  const { tables } = manifest.database
  const counts = await sql(
    host,
    tables.map((table) => `select '${table.name}', count(*) from ${table.name}`).join(' union all '),
  )
  const live = new Map(counts.map(([table = '', rows]) => [table, Number(rows)]))
  // The server adds to its audit log and its clockwork at any time.
  const moved = tables.filter(
    ({ name: table, rows }) =>
      live.get(table) !== rows && !/^(audit|cron|outbox|job|request|usage)/.test(table),
  )
  drill.expect('its counts are those of the live database', moved.length === 0, JSON.stringify(moved))
  const there = await sql(
    host,
    "select count(*) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  )
  drill.expect('no table is missing from it', Number(there[0]?.[0]) === tables.length, `${there[0]?.[0]}`)
  const { app, postgres, nginx } = drill.world.stack
  const wanted = JSON.stringify({ app, postgres, nginx })
  const found = JSON.stringify({
    app: manifest.images.app,
    postgres: manifest.images.postgres,
    nginx: manifest.images.nginx,
  })
  drill.expect('it names the images in use', wanted === found, found)
  const opened = await host.sh(
    'age --decrypt --identity /etc/whatsapp-mcp/age.key --output /dev/null "$1"',
    [`${SETS}/${name}/host.tar.age`],
    { mayFail: true },
  )
  drill.expect(
    'this host cannot open its own files in it',
    opened.code !== 0 && /no identity matched/.test(opened.stderr),
    opened.stderr,
  )
}

async function putMedia(host: Host): Promise<void> {
  const script =
    'd=/var/lib/whatsapp-mcp/media/2001/2026/11; install -d -o 65532 -g 65532 -m 0750 "$d"; echo photo > "$d/a.jpg"; chown 65532:65532 "$d/a.jpg"; chmod 0640 "$d/a.jpg"'
  await host.sh(script)
}

async function checkMedia(drill: Drill, host: Host): Promise<void> {
  const script =
    'cd "$1/$(ls "$1" | tail -n 1)"; sha256sum --check --strict SHA256SUMS; stat -c "%h %u %a" 2001/2026/11/a.jpg'
  const found = await host.sh(script, [MEDIA], { mayFail: true })
  drill.expect(
    'media is kept by a hard link, untouched',
    /a\.jpg: OK\n[2-9] 65532 640\n$/.test(found.stdout),
    found.stdout + found.stderr,
  )
  // No row names it, so it would not come back with the host.
  await host.exec(['rm', '-r', '/var/lib/whatsapp-mcp/media/2001'])
}

async function checkRights(drill: Drill, host: Host): Promise<void> {
  const script =
    'find /var/lib/whatsapp-mcp/backups /var/lib/whatsapp-mcp/jobs -not -path "*/media/2*" \\( -perm /077 -o -not -user 0 \\)'
  const open = await host.sh(script)
  drill.expect('only root may look at backups and records', open.stdout === '', open.stdout)
}

async function again(drill: Drill, host: Host, before: readonly string[]): Promise<void> {
  const done = await job(host, 'backup-db.ts', '--json')
  const record = recordSchema.parse(JSON.parse(done.stdout))
  drill.expect(
    'by hand it says what it did, as JSON',
    done.code === 0 && record.ok && record.job === 'backup-db',
    done.stdout,
  )
  const kept = JSON.parse(await host.read('/var/lib/whatsapp-mcp/jobs/backup-db.json'))
  drill.expect('the record is kept', JSON.stringify(kept) === JSON.stringify(JSON.parse(done.stdout)))
  const after = await sets(host)
  // The newest three stay whatever they are, so up to here nothing had its time.
  const lost = before.slice(0, 2).filter((name) => !after.includes(name))
  drill.expect('a second run loses none of the sets before it', lost.length === 0, lost.join())
}

async function together(drill: Drill, host: Host): Promise<void> {
  // Begun together: one that begins when the other is seen at work can come too late, a set of this size takes a second or two.
  const script = `cd "$1"
    said=$(mktemp -d)
    for run in one other; do
      { ./scripts/backup-db.sh --json > "$said/$run" 2> "$said/$run.err" && code=0 || code=$?
        echo "$code" > "$said/$run.code"; } &
    done
    wait
    cat "$said/one" "$said/other"
    cat "$said/one.err" "$said/other.err" >&2
    sort "$said/one.code" "$said/other.code"
    rm -r "$said"`
  const both = await host.sh(script, [REPOSITORY], { limit: 120 })
  const refused = /"refused": true[\s\S]*\n0\n3\n$/.test(both.stdout)
  drill.expect('of two at once, one is refused', refused, both.stdout + both.stderr)
  drill.expect('and told who is at work', /process \d+, since .*backup-db\.ts/.test(both.stderr), both.stderr)
}

async function killed(drill: Drill, host: Host): Promise<void> {
  const before = await sets(host)
  const script = `systemctl start --no-block ${UNIT}
    until ls ${SETS}/.*.tmp/database.dump > /dev/null 2>&1; do :; done
    systemctl kill --signal KILL ${UNIT}`
  await host.sh(script, [], { limit: 60 })
  await until('end of the killed backup', 30, async () => {
    const state = await host.exec(['systemctl', 'is-active', UNIT], { mayFail: true })
    return state.stdout.trim() === 'failed' || undefined
  })
  drill.expect('killed half-way, it leaves no set', (await sets(host)).join() === before.join())
  const busy = "select count(*) from pg_stat_activity where usename = 'wa_backup' and pid <> pg_backend_pid()"
  const left = await until('end of its connections', 20, async () => {
    const [[count] = []] = await sql(host, busy)
    return count === '0' ? true : undefined
  }).catch(() => false)
  drill.expect('and nothing of it at work in the database', left)
  const next = await host.exec(['systemctl', 'start', UNIT], { mayFail: true, limit: 120 })
  const names = (await host.exec(['ls', '-A', SETS])).stdout
  drill.expect('the next run is clean', next.code === 0 && !names.includes('tmp'), names)
  await host.exec(['systemctl', 'reset-failed'])
  const said = await host.sh(
    'docker logs whatsapp-mcp-postgres-1 2>&1 | grep -E "untracked child|reinitializing" || :',
  )
  drill.expect('the database took none of it for a crash of its own', said.stdout === '', said.stdout)
}

async function sets(host: Host): Promise<string[]> {
  return (await host.exec(['ls', SETS])).stdout.split('\n').filter(Boolean).sort().reverse()
}

function job(host: Host, script: string, ...args: readonly string[]) {
  const argv = ['node_modules/.bin/node', `scripts/${script}`, ...args]
  return host.sh('cd "$1"; shift; exec "$@"', [REPOSITORY, ...argv], { mayFail: true, limit: 120 })
}

async function journal(host: Host): Promise<string> {
  return (await host.exec(['journalctl', '-u', UNIT, '-n', '30', '--no-pager', '-o', 'cat'])).stdout
}
