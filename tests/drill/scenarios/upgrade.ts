import * as z from 'zod'
import { ANSWERS, bootstrap, follow, mustSucceed, REPOSITORY } from '../lib/bootstrap.ts'
import { type Drill, Skipped } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { DOMAIN } from '../lib/network.ts'
import { mintKey } from '../lib/outside/clients.ts'
import { type Previous, preparePrevious, previousCommit } from '../lib/previous.ts'
import { timed } from '../lib/progress.ts'
import { execute, readPage } from '../lib/runbook/execute.ts'
import { smoke } from '../lib/smoke.ts'
import { standInFor } from '../lib/stand-in.ts'

export const title = 'from the release before to this one and back, with everything it knew'

/** What the operator pushes to, as the host sees it. */
const ORIGIN = '/srv/operator.bundle'

/** Rows that nothing may change or drop once they are there. */
const LASTING = ['clients', 'messages', 'webhook_events', 'audit_log']

export async function run(drill: Drill): Promise<void> {
  const known = await previousCommit()
  if (known === undefined)
    throw new Skipped('this clone does not reach back to the commit in tests/drill/previous.json')
  const previous = await timed('the release before', () => preparePrevious(drill.world, known.commit))
  const host = await hostOfThen(drill, previous)
  const key = await mintKey(host, 'lasting')
  const before = await rows(host)
  const messages = before.filter((row) => row.startsWith('messages ')).length
  drill.expect('the release before holds messages', messages > 0, `${messages}`)

  await host.write(ORIGIN, previous.upgraded)
  let newer = ''
  const upgraded = async () => {
    await compare(drill, host, { before, key, when: 'upgraded' })
    newer = await migrations(host)
    const runs = await image(host)
    drill.expect('upgraded: the app runs from the new image', runs === digestOf(drill.world.stack.app), runs)
    const timers = await host.exec(['systemctl', 'list-timers', '--no-legend', 'whatsapp-mcp-*'])
    const scheduled = ['backup', 'offsite'].every((job) =>
      timers.stdout.includes(`whatsapp-mcp-${job}.timer`),
    )
    drill.expect('upgraded: backups are scheduled', scheduled, timers.stdout)
  }
  const job = await host.exec(['systemctl', 'cat', 'whatsapp-mcp-backup.service'], { mayFail: true })
  await execute(
    await readPage('upgrade.md'),
    {
      ...{ drill, host, scenario: 'upgrade' },
      given: { image: drill.world.stack.app, 'image-before': previous.image },
    },
    { [job.code === 0 ? 'backup' : 'no-backups']: undefined, back: upgraded },
  )
  await compare(drill, host, { before, key, when: 'back' })
  drill.expect('back: the app runs from the old image', (await image(host)) === digestOf(previous.image))
  const kept = await migrations(host)
  drill.expect('back: the history of the schema is as it was', kept === newer, kept)
}

/** A host that was set up with the release before, and used. */
async function hostOfThen(drill: Drill, previous: Previous): Promise<Host> {
  const host = await drill.anyBareHost()
  await host.write(ORIGIN, previous.bundle)
  await host.sh('rm -rf "$1"; git clone --quiet "$2" "$1"', [REPOSITORY, ORIGIN])
  await host.write(ANSWERS, drill.answers({ app: previous.image }), '0600')
  mustSucceed(await bootstrap(host, { onLine: follow }))
  await standInFor(drill, host)
  await smoke(drill, host)
  return host
}

async function compare(
  drill: Drill,
  host: Host,
  o: { before: readonly string[]; key: string; when: string },
): Promise<void> {
  const now = new Set(await rows(host))
  const lost = o.before.filter((row) => !now.has(row))
  drill.expect(`${o.when}: every row is there as it was`, lost.length === 0, lost.join('\n'))
  const answer = await drill.world.network.client(
    [
      ...[
        'curl',
        '-s',
        '--cacert',
        '/root/acme-root.pem',
        '-H',
        '@-',
        '-H',
        'content-type: application/json',
      ],
      ...['-H', 'accept: application/json, text/event-stream', '--data', INITIALIZE, `https://${DOMAIN}/mcp`],
    ],
    { input: `authorization: Bearer ${o.key}\n`, mayFail: true },
  )
  drill.expect(`${o.when}: a key from before opens MCP`, /"serverInfo"/.test(answer.stdout), answer.stdout)
  await smoke(drill, host)
  const failed = await host.exec(['systemctl', '--failed', '--no-legend', '--plain'])
  drill.expect(`${o.when}: no unit failed`, failed.stdout.trim() === '', failed.stdout)
}

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'drill', version: '1' },
  },
})

async function query(host: Host, sql: string): Promise<string> {
  const psql = ['docker', 'exec', '-i', 'whatsapp-mcp-postgres-1', 'psql', '-U', 'postgres', '-d', 'wa_mcp']
  return (await host.exec([...psql, '-At', '-v', 'ON_ERROR_STOP=1', '-f', '-'], { input: sql })).stdout.trim()
}

/** A line per row: its table and a hash of all it holds. */
async function rows(host: Host): Promise<readonly string[]> {
  const selects = LASTING.map((table) => `select '${table} ' || md5(t::text) from ${table} t`)
  return (await query(host, selects.join(' union all '))).split('\n')
}

const migrations = (host: Host) => query(host, 'select name, checksum from schema_migrations order by name')

const imageSchema = z.string().regex(/^\S+@sha256:[0-9a-f]{64}$/)

/** What the running replicas were made from. */
async function image(host: Host): Promise<string> {
  const replicas = ['whatsapp-mcp-app-1', 'whatsapp-mcp-app-b-1']
  const { stdout } = await host.exec(['docker', 'inspect', '--format', '{{.Config.Image}}', ...replicas])
  const images = stdout.trim().split('\n')
  return [...new Set(images.map((one) => digestOf(imageSchema.parse(one))))].join()
}

const digestOf = (reference: string): string => reference.split('@')[1] ?? ''
