import { ANSWERS, type BootstrapRun, bootstrap } from '../lib/bootstrap.ts'
import { sql } from '../lib/data.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { deriveApp } from '../lib/images.ts'
import { say, until } from '../lib/progress.ts'
import { Traffic } from '../lib/traffic.ts'

export const title =
  'the image changes under steady traffic, and nobody notices; one that does not start changes nothing'

/** Migrates, and does nothing else. */
const BROKEN = `ENTRYPOINT ["/nodejs/bin/node", "-e", "process.exit(process.argv.includes('migrate') ? 0 : 1)", "--"]`

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const { app } = drill.world.stack
  const { network } = drill.world
  const next = await network.push(await deriveApp('next', 'LABEL drill=next'), 'whatsapp-mcp')
  const broken = await network.push(await deriveApp('broken', BROKEN), 'whatsapp-mcp')
  const traffic = await Traffic.start(drill, host, 'roll')
  const others = await untouched(host)

  await rolled(drill, host, next, 'forward')
  const refused = await install(drill, host, broken)
  drill.expect(
    'an image that does not start is refused, with its name and the way back',
    refused.code === 1 && /app did not get healthy.*runs again/.test(refused.report?.failure?.message ?? ''),
    refused.report?.failure?.message ?? refused.stderr,
  )
  const kept = await images(host)
  drill.expect('both replicas run from the image before', kept === digestOf(next), kept)
  await rolled(drill, host, app, 'back')

  const after = await untouched(host)
  drill.expect('unit, nginx and Postgres ran on', after === others, `${others}\n${after}`)
  await account(drill, host, traffic)
}

/** As an operator does it: the image in the answers, then the bootstrap. */
async function install(drill: Drill, host: Host, image: string): Promise<BootstrapRun> {
  await host.write(ANSWERS, drill.answers({ app: image }), '0600')
  return bootstrap(host, { args: ['--answers', ANSWERS, '--only', '40-stack'] })
}

async function rolled(drill: Drill, host: Host, image: string, way: string): Promise<void> {
  const { code, stderr, seconds } = await install(drill, host, image)
  say(`  ${way}: ${seconds.toFixed(1)} s`)
  drill.expect(`${way}: the bootstrap succeeds`, code === 0, stderr)
  const running = await images(host)
  drill.expect(`${way}: both replicas run from the new image`, running === digestOf(image), running)
}

/** What a roll has no business with: processes by their start. */
async function untouched(host: Host): Promise<string> {
  const { stdout } = await host.sh(`systemctl show --value --property=MainPID whatsapp-mcp
    docker inspect --format '{{.Id}} {{.State.StartedAt}}' whatsapp-mcp-nginx-1 whatsapp-mcp-postgres-1`)
  return stdout.trim()
}

async function images(host: Host): Promise<string> {
  const replicas = ['whatsapp-mcp-app-1', 'whatsapp-mcp-app-b-1']
  const { stdout } = await host.exec(['docker', 'inspect', '--format', '{{.Config.Image}}', ...replicas])
  return [...new Set(stdout.trim().split('\n').map(digestOf))].join()
}

const digestOf = (reference: string): string => reference.split('@')[1] ?? ''

/** What callers were told, against what the host has. */
async function account(drill: Drill, host: Host, traffic: Traffic): Promise<void> {
  const attempts = await traffic.stop()
  const failed = attempts.filter(({ ok }) => !ok).map((one) => JSON.stringify(one))
  drill.expect('no delivery and no call failed, not even once', failed.length === 0, failed.join('\n'))
  const count = (what: string) => attempts.filter((one) => one.what === what && one.ok).length
  const [delivered, sent] = [count('delivery'), count('send')]
  const slowest = Math.max(...attempts.map(({ started, ended }) => ended - started)) / 1000
  say(`  ${delivered} deliveries, ${sent} sends, slowest answer ${slowest.toFixed(2)} s`)
  drill.measured.rollSlowestSeconds = slowest
  const messages = await until('deliveries understood', 60, async () => {
    const rows = await sql(
      host,
      `select count(*) from messages where wa_message_id like 'wamid.' || :'tag' || '.%'
        and not exists (select 1 from outbox where name = 'wa/webhook.received' and state = 'ready')`,
      { tag: traffic.tag },
    )
    return rows[0]?.[0] === '0' ? undefined : rows[0]?.[0]
  })
  drill.expect('every delivery is one message', messages === String(delivered), `${messages} of ${delivered}`)
  const [row] = await sql(
    host,
    `select count(*), count(distinct wa_message_id) from messages
      where idempotency_key like :'tag' || '-%' and status not in ('queued', 'sending', 'unknown', 'failed')`,
    { tag: traffic.tag },
  )
  drill.expect('every send went out once', row?.join() === `${sent},${sent}`, `${row?.join()} of ${sent}`)
}
