import * as z from 'zod'
import { sql } from '../lib/data.ts'
import { say, until } from '../lib/progress.ts'
import type { Scene } from './scene.ts'

/** For what waits in queues when the traffic has ended. */
const SETTLED_WITHIN_S = 150
const screenSchema = z.object({ lines: z.array(z.object({ from: z.string(), text: z.string() })) })

/** Deliveries by id: stored events, how many of these are processed, messages made of them. */
const EVENTS = `
  select e.id, count(*), count(*) filter (where e.processed_at is not null and e.error is null),
    (select count(*) from messages where wa_message_id = 'wamid.' || :'tag' || '.' || e.id)
  from (select substring(encode(body, 'escape') from 'wamid[.]' || :'tag' || '[.]([0-9]+)') as id, processed_at, error
    from webhook_events where received_at > now() - interval '2 hours') e
  where e.id is not null group by e.id`

/** Sends by id: rows of the ledger, and their state. */
const LEDGER = `
  select substring(idempotency_key from '[0-9]+$'), count(*), max(status) from messages
  where idempotency_key like :'tag' || '-%' group by idempotency_key`

const WAITING = `
  select (select count(*) from messages where idempotency_key like :'tag' || '-%' and status in ('queued', 'sending'))
    + (select count(*) from outbox where name = 'wa/webhook.received' and state = 'ready')`

/** Ends the traffic, waits for the queues, and adds up what callers were told against what the host has. */
export async function settle(scene: Scene): Promise<void> {
  const { tag } = scene.traffic
  await scene.traffic.stop()
  await until('empty queues', SETTLED_WITHIN_S, async () => {
    const [row] = await sql(scene.host, WAITING, { tag })
    return row?.[0] === '0' || undefined
  })
  await settleDeliveries(scene)
  await settleSends(scene)
}

/** Acknowledged = stored = processed once = one message. */
async function settleDeliveries({ drill, host, traffic }: Scene): Promise<void> {
  const attempts = traffic.attempts.filter(({ what }) => what === 'delivery')
  const acknowledged = attempts.filter(({ ok }) => ok).map(({ id }) => id)
  const rows = await sql(host, EVENTS, { tag: traffic.tag })
  const events = new Map(rows.map(([id = '', ...counts]) => [id, counts.map(Number)]))
  const repeats = attempts.length - acknowledged.length
  say(`  ${acknowledged.length} deliveries acknowledged, ${repeats} repeats, ${events.size} events stored`)
  const { lost, doubled } = compareDeliveries(acknowledged, events)
  const open = traffic.open('delivery')
  drill.measured.chaosDeliveriesLost = lost.length + open.length
  drill.measured.chaosDeliveriesDoubled = doubled.length
  drill.expect('every delivery was acknowledged in the end', open.length === 0, open.join(' '))
  drill.expect('every acknowledged delivery was stored and processed', lost.length === 0, lost.join(' '))
  drill.expect('and none of them twice', doubled.length === 0, doubled.join(' '))
  drill.expect('the faults were felt', repeats > 0, String(repeats))
}

/** A result = one row of the ledger = one message on the customer's screen, or `unknown`, when it may be there or not. */
async function settleSends({ drill, host, traffic }: Scene): Promise<void> {
  const sent = traffic.attempts.filter(({ what, ok }) => what === 'send' && ok).map(({ id }) => id)
  const rows = await sql(host, LEDGER, { tag: traffic.tag })
  const ledger = new Map(rows.map(([id = '', count, state = '']) => [id, { count: Number(count), state }]))
  const { stdout } = await drill.world.network.client(['curl', '-sS', '--fail', drill.standIn?.phone ?? ''])
  const arrived = timesOnScreen(screenSchema.parse(JSON.parse(stdout)).lines, traffic.tag)
  const { lost, doubled, unknown } = compareSends(sent, ledger, arrived)
  say(
    `  ${sent.length} sends, ${ledger.size} in the ledger, ${arrived.size} arrived, ${unknown.length} unknown`,
  )
  const open = traffic.open('send')
  drill.measured.chaosSendsLost = lost.length + open.length
  drill.measured.chaosSendsDoubled = doubled.length
  drill.measured.chaosSendsUnknown = unknown.length
  drill.expect('every send had a result in the end', open.length === 0, open.join(' '))
  const seen = lost.map((id) => `${id} ${JSON.stringify(ledger.get(id))}`).join('\n')
  drill.expect(
    'every send is in the ledger once, and arrived or says that it may not have',
    lost.length === 0,
    seen,
  )
  drill.expect('and none of them arrived twice', doubled.length === 0, doubled.join(' '))
}

/**
 * @param events by id: stored events, those of them processed, and messages made of them
 * @returns ids acknowledged without all of that, and ids with any of it more than once
 */
export function compareDeliveries(
  acknowledged: readonly string[],
  events: ReadonlyMap<string, readonly number[]>,
): { readonly lost: readonly string[]; readonly doubled: readonly string[] } {
  return {
    lost: acknowledged.filter((id) => events.get(id)?.every((count) => count > 0) !== true),
    doubled: [...events].filter(([, counts]) => counts.some((count) => count > 1)).map(([id]) => id),
  }
}

/**
 * @param sent ids with a result
 * @param arrived how often each is on the customer's screen
 * @returns ids that neither arrived nor are `unknown`, or have not one row; ids that arrived twice, or that no row knows
 */
export function compareSends(
  sent: readonly string[],
  ledger: ReadonlyMap<string, { readonly count: number; readonly state: string }>,
  arrived: ReadonlyMap<string, number>,
): {
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  readonly unknown: readonly string[]
} {
  const isUnknown = (id: string) => ledger.get(id)?.state === 'unknown'
  return {
    lost: sent.filter((id) => ledger.get(id)?.count !== 1 || !(arrived.has(id) || isUnknown(id))),
    doubled: [...arrived].filter(([id, times]) => times > 1 || !ledger.has(id)).map(([id]) => id),
    unknown: [...ledger.keys()].filter(isUnknown),
  }
}

function timesOnScreen(
  lines: z.infer<typeof screenSchema>['lines'],
  tag: string,
): ReadonlyMap<string, number> {
  const times = new Map<string, number>()
  for (const { from, text } of lines) {
    const [before, id] = text.split(' reply ')
    if (from === 'business' && before === tag && id !== undefined) times.set(id, (times.get(id) ?? 0) + 1)
  }
  return times
}
