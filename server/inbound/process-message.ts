import type { Audit } from '../audit/audit.ts'
import { gather } from '../db/gather.ts'
import type { Database } from '../db/pool.ts'
import type { Rush } from '../http/rush.ts'
import type { Job } from '../jobs/job.ts'
import type { Logger } from '../log.ts'
import { webhookLag, webhooks } from '../metrics/metrics.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { storeAccountUpdates } from './account.ts'
import { loadEvents, markFailed, markProcessed, type WebhookEvent } from './event.ts'
import { parseDelivery } from './parse.ts'
import { auditDelivery, type Outcome } from './report.ts'
import { type NumberItem, type Routed, route } from './route.ts'
import { storeUpdates, type Updates } from './store.ts'

/** Deliveries that share a transaction. Larger groups would save little more and keep others from the number longer. */
const TOGETHER = 20

/** Short enough for agents not to notice. */
const LONGEST_PAUSE_MS = 250

/** A delivery on its way; `routed` is null when it could not be understood. */
interface Delivery {
  readonly event: WebhookEvent
  readonly routed: Routed | null
  readonly stored: Outcome['stored']
}

/** Turns stored deliveries into contacts, messages and statuses. Doing it again changes nothing, so a replay is harmless. */
export function createProcessMessage(o: {
  sql: Database
  numbers: Numbers
  audit: Audit
  rush: Pick<Rush, 'over'>
  log: Logger
}): Job<'wa/webhook.received'> {
  const processTogether = gather(async (ids: readonly number[]) => {
    await o.rush.over(LONGEST_PAUSE_MS)
    return await process(ids)
  }, TOGETHER)
  return {
    id: 'process-message',
    event: 'wa/webhook.received',
    retries: 8,
    concurrency: 4,
    workers: TOGETHER,
    run: async ({ eventId }, context) => {
      try {
        // What has failed in company is tried alone, so that a bad one keeps nobody else from being processed.
        await (context.attempt === 0 ? processTogether(eventId) : process([eventId]))
      } catch (error) {
        if (context.isLastAttempt) await giveUp(eventId, error)
        throw error
      }
    },
  }

  async function process(ids: readonly number[]): Promise<undefined[]> {
    const { events, later } = await loadEvents(o.sql, ids)
    const found = new Set([...later, ...events.map(({ id }) => id)])
    for (const eventId of ids) if (!found.has(eventId)) o.log.warn({ eventId }, 'webhook_event_gone')
    const deliveries = await Promise.all(events.map(understand))
    await storeByNumber(deliveries)
    for (const { event, routed } of deliveries) {
      if (routed && !isReplay(event)) await storeAccountUpdates(o.sql, o.numbers, routed.account)
    }
    await Promise.all(
      deliveries.map(({ event, routed, stored }) =>
        auditDelivery(o.audit, event, routed ? { stored, ...routed } : { error: 'not_understood' }),
      ),
    )
    const idsOf = (isUnderstood: boolean) =>
      deliveries.filter(({ routed }) => (routed !== null) === isUnderstood).map(({ event }) => event.id)
    await markProcessed(o.sql, idsOf(true), null)
    await markProcessed(o.sql, idsOf(false), 'not_understood')
    for (const delivery of deliveries) report(delivery)
    if (later.length > 0) await process(later)
    return ids.map(() => undefined)
  }

  async function understand(event: WebhookEvent): Promise<Delivery> {
    const items = parseDelivery(event.body)
    return { event, routed: items && (await route(items, event.appId, o.numbers)), stored: [] }
  }

  /** One transaction per number, with what all the deliveries say about it. */
  async function storeByNumber(deliveries: readonly Delivery[]): Promise<void> {
    const parts = deliveries.flatMap((delivery) =>
      (delivery.routed?.numbers ?? []).map(({ number, items }) => ({ delivery, number, items })),
    )
    for (const group of Map.groupBy(parts, ({ number }) => number).values()) {
      const [first] = group
      if (first === undefined) continue
      const updates = group.map(({ delivery, items }) => sort(items, delivery.event))
      const counts = await storeUpdates(o.sql, first.number, updates)
      for (const [n, { delivery, number }] of group.entries()) {
        const own = counts[n]
        if (own) delivery.stored.push({ number, counts: own })
      }
    }
  }

  function report({ event, routed, stored }: Delivery): void {
    const duplicates = stored.reduce((sum, { counts }) => sum + counts.duplicates, 0)
    if (duplicates > 0)
      o.log.info({ eventId: event.id, rid: event.requestId, duplicates }, 'webhook_duplicate')
    webhooks.inc({ outcome: routed ? 'processed' : 'not_understood' })
    if (routed && !isReplay(event)) webhookLag.observe((Date.now() - event.receivedAt.getTime()) / 1_000)
  }

  async function giveUp(eventId: number, error: unknown): Promise<void> {
    webhooks.inc({ outcome: 'failed' })
    // The name only: messages of the driver may quote what a customer wrote.
    const name = error instanceof Error ? error.name : 'unknown'
    await markFailed(o.sql, eventId, name).catch((err: unknown) =>
      o.log.error({ eventId, err }, 'webhook_failure_not_noted'),
    )
  }
}

/** Of choices and of the account as a whole the latest word counts, and a replay is not it. */
function isReplay({ processedAt }: WebhookEvent): boolean {
  return processedAt !== null
}

function sort(items: readonly NumberItem[], event: WebhookEvent): Updates {
  return {
    messages: items.filter((item) => item.kind === 'message'),
    statuses: items.filter((item) => item.kind === 'status'),
    preferences: isReplay(event) ? [] : items.filter((item) => item.kind === 'preference'),
    requestId: event.requestId,
  }
}
