import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { REPOSITORY } from '../lib/bootstrap.ts'
import { addPending, sql } from '../lib/data.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { backupsEnded, pendingOnScreen } from '../lib/loss.ts'
import { ADMIN } from '../lib/network.ts'
import { until } from '../lib/progress.ts'
import { type Result, tail } from '../lib/run.ts'
import { smoke } from '../lib/smoke.ts'
import { type StandIn, standInFor } from '../lib/stand-in.ts'

export const title = 'the database goes back to a backup: nothing is sent twice, nothing is lost for good'

const NODE = `${REPOSITORY}/node_modules/.bin/node`

/** Runs one of the project's scripts on the host. */
export function script(host: Host, name: string, ...args: readonly string[]): Promise<Result> {
  return host.exec([NODE, `${REPOSITORY}/scripts/${name}`, ...args], { mayFail: true, limit: 600 })
}

const recordSchema = z.object({
  ok: z.boolean(),
  seconds: z.number(),
  result: z
    .object({
      set: z.string().optional(),
      kept: z.string(),
      held: z.number(),
      unknown: z.number(),
      fell_back_from: z.array(z.string()).optional(),
      resumed: z.boolean().optional(),
    })
    .optional(),
})

/** What a run of restore-db has said on its standard output. @throws Error with its last lines when it said nothing */
export function recordOf({ stdout, stderr }: Result): z.infer<typeof recordSchema> {
  if (!stdout.trimStart().startsWith('{'))
    throw new Error(`restore-db printed no record\n${tail(stderr, 40)}`)
  return recordSchema.parse(JSON.parse(stdout))
}

/** Makes a backup set. @returns its name */
export async function backUp(host: Host): Promise<string> {
  const made = await script(host, 'backup-db.ts', '--json')
  if (made.code !== 0) throw new Error(`backup-db ended with ${made.code}\n${tail(made.stderr, 20)}`)
  return z.object({ result: z.object({ set: z.string() }) }).parse(JSON.parse(made.stdout)).result.set
}

/** The customer writes, and the host has it. @returns the text */
export async function customerWrites(drill: Drill, host: Host, standIn: StandIn): Promise<string> {
  const say = `drill ${randomUUID()}`
  await drill.world.network.client(['curl', '-sf', '--max-time', '5', '--data-binary', '@-', standIn.phone], {
    input: JSON.stringify({ say }),
  })
  await until('the message of the customer', 20, async () => (await isThere(host, say)) || undefined)
  return say
}

export async function isThere(host: Host, text: string): Promise<boolean> {
  return (await sql(host, `select 1 from messages where body = :'text'`, { text })).length > 0
}

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const standIn = await standInFor(drill, host)
  await backupsEnded(host)
  await smoke(drill, host)
  const early = await customerWrites(drill, host, standIn)
  await addPending(host, standIn.numberId)
  const known = (await pendingOnScreen(drill, standIn)).length
  const set = await backUp(host)
  const late = await customerWrites(drill, host, standIn)

  await planOnly(drill, host, set)
  await killed(drill, host, late)
  await restored(drill, host, { set, early, late, standIn })
  await nothingIsSent(drill, host, standIn, known)
  await undone(drill, host, late)
  await removeKept(host)
  drill.expect('--drop-kept leaves the live database alone', (await databases(host)) === 'wa_mcp')
  // What was left waiting would be in the way of others.
  await sql(
    host,
    `delete from outbox where state = 'held';
     update messages set status = 'rejected' where status in ('held', 'unknown') and wa_message_id is null`,
  )
  await smoke(drill, host)
}

async function planOnly(drill: Drill, host: Host, set: string): Promise<void> {
  const before = await databases(host)
  const plan = await script(host, 'backups.ts', 'plan-restore', '--json')
  const said = z
    .object({ set: z.string(), missing: z.array(z.string()) })
    .safeParse(JSON.parse(plan.stdout || '{}'))
  drill.expect(
    'the plan names the newest set, and nothing against it',
    plan.code === 0 && said.data?.set === set,
    plan.stdout + plan.stderr,
  )
  const asked = await script(host, 'restore-db.ts')
  drill.expect(
    'without a terminal and --yes it is refused',
    asked.code === 3,
    `exit code ${asked.code}\n${asked.stderr}`,
  )
  drill.expect('and nothing has changed', (await databases(host)) === before)
}

/** Runs restore-db and kills it as soon as it says this. */
const KILLED_AT = `"$1" "$2" --yes 2> /run/drill-restore & work=$!
until grep -q "$3" /run/drill-restore; do kill -0 "$work" || exit 7; sleep 0.02; done
kill -KILL "$work"`

/** A run that dies at any moment leaves a server that works, and the next run ends what it began. */
async function killed(drill: Drill, host: Host, late: string): Promise<void> {
  const kill = (line: string) =>
    host.sh(KILLED_AT, [NODE, `${REPOSITORY}/scripts/restore-db.ts`, line], { limit: 120 })
  for (const line of ['restoring', 'comparing', 'stopping the server']) {
    await kill(line)
    const works = (await isHealthy(host)) && (await isThere(host, late))
    drill.expect(`killed at "${line}", the server works on the database it had`, works)
  }
  await kill('starting the server')
  drill.expect('killed after the exchange, the server comes up by itself', await isHealthy(host))
  const again = await script(host, 'restore-db.ts', '--yes', '--json')
  const { result } = recordOf(again)
  drill.expect(
    'and the next run only finishes',
    again.code === 0 && result?.resumed === true,
    tail(again.stderr, 20),
  )
  await script(host, 'restore-db.ts', '--undo', '--yes')
  drill.expect('what was there is there again', await isThere(host, late))
}

async function restored(
  drill: Drill,
  host: Host,
  { set, early, late, standIn }: { set: string; early: string; late: string; standIn: StandIn },
): Promise<void> {
  const running = script(host, 'restore-db.ts', '--yes', '--json')
  await sleep(1_500)
  const other = await script(host, 'restore-db.ts', '--yes')
  const run = await running
  const record = recordOf(run)
  drill.expect('restore-db succeeds', run.code === 0 && record.ok, tail(run.stderr, 30))
  drill.expect(
    'a second one meanwhile is refused, and says who is at work',
    other.code === 3 && /process \d+/.test(other.stderr),
    other.stderr,
  )
  drill.measured.restoreDatabaseSeconds = record.seconds
  drill.expect('it took the newest set', record.result?.set === set, record.result?.set)
  drill.expect('what was there before the backup is there', await isThere(host, early))
  drill.expect('what came after it is gone', !(await isThere(host, late)))
  const { held, unknown, kept = '' } = record.result ?? {}
  drill.expect(
    'two messages are held, one is unknown',
    held === 2 && unknown === 1,
    JSON.stringify(record.result),
  )
  drill.expect('the database that was live is kept', (await databases(host)).split(' ').includes(kept), kept)
  const chain = await host.exec([...ADMIN, 'audit', 'verify', '--table-only'], { mayFail: true })
  drill.expect('the audit chain holds', chain.code === 0, chain.stdout + chain.stderr)
  const [[action] = []] = await sql(
    host,
    `select action from audit_log where id = 1 + (select (detail->>'head_id')::bigint from audit_log
      where action = 'admin.audit.restored' order by id desc limit 1)`,
  )
  drill.expect('its first entry says where the database came from', action === 'admin.audit.restored', action)
  const units = await host.exec(['systemctl', 'is-active', 'whatsapp-mcp'], { mayFail: true })
  drill.expect('the unit has not been disturbed', units.code === 0, units.stdout)
  const after = await customerWrites(drill, host, standIn)
  drill.expect('what comes in now is stored', await isThere(host, after))
  await smoke(drill, host)
}

/** @param known such messages on the screen from before */
async function nothingIsSent(drill: Drill, host: Host, standIn: StandIn, known: number): Promise<void> {
  // If they were only waiting for their hour, this would send them now.
  await sql(host, `update outbox set run_after = now() where state <> 'done'`)
  await sleep(6_000)
  const seen = await pendingOnScreen(drill, standIn)
  drill.expect('nothing that was pending was sent', seen.length === known, seen.join(', '))
  // Under another text, so that what is still pending stays invisible to the customer, here and in what follows.
  const text = `released ${randomUUID()}`
  const [[id = ''] = []] = await sql(
    host,
    `with chosen as (select id, (data->>'messageId')::uuid as message from outbox where state = 'held' order by id limit 1)
     update messages m set body = :'text', payload = jsonb_set(payload, '{text,body}', to_jsonb(:'text'::text))
     from chosen where m.id = message returning chosen.id`,
    { text },
  )
  await host.exec([...ADMIN, 'outbox', 'release', id])
  const times = async () => (await screen(drill, standIn)).filter((line) => line === text).length
  await until('the released message', 20, async () => (await times()) > 0 || undefined).catch(() => undefined)
  await sleep(3_000)
  drill.expect('one that is released is sent, once', (await times()) === 1, `${await times()} times`)
  const others = await pendingOnScreen(drill, standIn)
  drill.expect('and the other stays', others.length === known, others.join(', '))
}

async function screen(drill: Drill, standIn: StandIn): Promise<string[]> {
  const { stdout } = await drill.world.network.client(['curl', '-s', '--max-time', '5', standIn.phone])
  const { lines } = z.object({ lines: z.array(z.object({ text: z.string() })) }).parse(JSON.parse(stdout))
  return lines.map(({ text }) => text)
}

async function undone(drill: Drill, host: Host, late: string): Promise<void> {
  const run = await script(host, 'restore-db.ts', '--undo', '--yes', '--json')
  drill.expect(
    '--undo takes the kept database back',
    run.code === 0 && (await isThere(host, late)),
    tail(run.stderr, 20),
  )
}

async function isHealthy(host: Host): Promise<boolean> {
  const probe = async () =>
    (await host.exec([...ADMIN, 'healthcheck'], { mayFail: true })).code === 0 || undefined
  return until('health', 90, probe).catch(() => false)
}

/** Names, with a space between. */
async function databases(host: Host): Promise<string> {
  const rows = await sql(
    host,
    `select datname from pg_database where datname like 'wa_mcp%' order by datname`,
  )
  return rows.map(([name]) => name).join(' ')
}

/** Databases that restores have kept. */
export async function removeKept(host: Host): Promise<void> {
  await script(host, 'restore-db.ts', '--drop-kept', '--yes')
}
