import * as z from 'zod'
import { REPOSITORY } from './bootstrap.ts'
import { sql } from './data.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { DOMAIN } from './network.ts'
import { say } from './progress.ts'

const SCRIPTS = `${REPOSITORY}/scripts`
const NODE = `${REPOSITORY}/node_modules/.bin/node`
const COMPOSE = `docker compose -f ${REPOSITORY}/docker-compose.prod.yml --env-file /etc/whatsapp-mcp/stack.env`
const PLAIN = '/var/lib/postgresql/.plain.dump'

/** Below what nginx lets one address send. */
const RATE = 25
/** Enough for a 99th percentile that is not one unlucky webhook. */
const SECONDS = 20

/** What anybody would type; the dump stays in the container, where `pg_restore` with two jobs needs it. */
const PLAIN_DUMP = `${COMPOSE} exec -T postgres pg_dump -U postgres -Fc --compress=zstd:6 -f ${PLAIN} wa_mcp`
const PLAIN_RESTORE = `${COMPOSE} exec -T postgres pg_restore -U postgres -j2 -d drill_plain ${PLAIN}`

/** Our backup and our proof of a restore against the database's own programs, and what a backup does to webhooks. */
export async function measureBackupSpeed(drill: Drill, host: Host): Promise<void> {
  const backUp = () => seconds(host, `${NODE} ${SCRIPTS}/backup-db.ts`)
  const prove = async () => {
    const argv = [NODE, `${SCRIPTS}/backups.ts`, 'verify', '--restore', '--json']
    // Its own seconds, since it also reads all media.
    return proofSchema.parse(JSON.parse((await host.exec(argv, { limit: 900 })).stdout)).result.seconds
  }
  const plainRestore = async () => {
    await sql(host, 'create database drill_plain')
    const took = await seconds(host, PLAIN_RESTORE)
    await sql(host, 'drop database drill_plain')
    return took
  }
  // In turns and the best of three each: whatever else the machine does meets both.
  const dump = { plain: Infinity, ours: Infinity }
  const restore = { plain: Infinity, ours: Infinity }
  for (let turn = 0; turn < 3; turn++) {
    dump.plain = Math.min(dump.plain, await seconds(host, PLAIN_DUMP))
    dump.ours = Math.min(dump.ours, await backUp())
    restore.plain = Math.min(restore.plain, await plainRestore())
    restore.ours = Math.min(restore.ours, await prove())
  }
  await host.sh(`${COMPOSE} exec -T postgres rm ${PLAIN}`)
  drill.measured.dumpOverPlain = dump.ours / dump.plain
  drill.measured.restoreOverPlain = restore.ours / restore.plain
  say(`    dump ${figures(dump)}, restore ${figures(restore)}`)

  await expectGivesWay(drill, host)
  // Media are copied elsewhere once, when they are new, and a night has few that are.
  await seconds(host, 'systemctl start whatsapp-mcp-offsite.service')
  const secret = await host.read('/run/whatsapp-mcp/secrets/app/wa_app_secret')
  const calm = await webhooks(drill, secret)
  let over = false
  const [busy] = await Promise.all([
    webhooks(drill, secret).finally(() => {
      over = true
    }),
    (async () => {
      while (!over)
        // As its timer does, with the unit's priority; the copies elsewhere follow it.
        await seconds(host, `systemctl reset-failed; systemctl start whatsapp-mcp-backup.service`)
    })(),
  ])
  drill.measured.webhookUnderBackup = busy.p99 / calm.p99
  say(`    webhook p99 ${calm.p99.toFixed(1)} ms, under a backup ${busy.p99.toFixed(1)} ms`)
  const failures = [...calm.failures, ...busy.failures]
  drill.expect('no webhook fails under a backup', failures.length === 0, failures.slice(0, 9).join(' '))
}

/** What the database does for a backup has the lowest priority, although its own programs start it. */
async function expectGivesWay(drill: Drill, host: Host): Promise<void> {
  const look = `systemctl start --no-block whatsapp-mcp-backup.service
    for n in $(seq 300); do
      ps -eo ni=,args= | grep -m 1 '^ *19 postgres: wa_backup .* COPY' && break
      sleep 0.02
    done`
  const { stdout } = await host.sh(look)
  drill.expect('a backup gives way to who asks the database', stdout !== '')
}

const figures = ({ plain, ours }: { plain: number; ours: number }): string =>
  `${ours.toFixed(1)} s against ${plain.toFixed(1)} s`

/** Seconds a fixed command takes, measured on the host. */
async function seconds(host: Host, command: string): Promise<number> {
  const script = `start=$(date +%s%N); ${command} >/dev/null 2>/run/drill-said || { cat /run/drill-said >&2; exit 1; }; echo $(( $(date +%s%N) - start ))`
  return Number((await host.sh(script, [], { limit: 900 })).stdout) / 1e9
}

const proofSchema = z.object({ result: z.object({ seconds: z.number() }) })
const seenSchema = z.object({ failures: z.array(z.string()), p99: z.number() })

async function webhooks(drill: Drill, secret: string): Promise<z.infer<typeof seenSchema>> {
  const trust = ['env', 'NODE_EXTRA_CA_CERTS=/root/acme-root.pem', '/project/node_modules/.bin/node']
  const input = { url: `https://${DOMAIN}`, seconds: SECONDS, rate: RATE }
  const { stdout } = await drill.world.network.client([...trust, '/project/tests/drill/probes/latency.ts'], {
    input: JSON.stringify({ ...input, secret }),
    limit: SECONDS + 60,
  })
  return seenSchema.parse(JSON.parse(stdout))
}
