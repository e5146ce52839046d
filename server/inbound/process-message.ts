import type { Audit } from '../audit/audit.ts'
import type { Database } from '../db/pool.ts'
import type { Job } from '../jobs/job.ts'
import type { Logger } from '../log.ts'
import { webhookLag, webhooks } from '../metrics/metrics.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { storeAccountUpdates } from './account.ts'
import { loadEvent, markFailed, markProcessed, type WebhookEvent } from './event.ts'
import { parseDelivery } from './parse.ts'
import { auditDelivery, type Outcome } from './report.ts'
import { type NumberItem, route } from './route.ts'
import { type Stored, storeUpdates, type Updates } from './store.ts'

/** Turns a stored delivery into contacts, messages and statuses. Doing it again changes nothing, so a replay is harmless. */
export function createProcessMessage(o: {
  sql: Database
  numbers: Numbers
  audit: Audit
  log: Logger
}): Job<'wa/webhook.received'> {
  return {
    id: 'process-message',
    event: 'wa/webhook.received',
    retries: 8,
    concurrency: 4,
    // Each holds a connection for its transaction, and numbers are written by one at a time anyway.
    workers: 4,
    run: async ({ eventId }, context) => {
      const event = await loadEvent(o.sql, eventId)
      if (event === undefined) return o.log.warn({ eventId }, 'webhook_event_gone')
      try {
        await process(event)
      } catch (error) {
        if (context.isLastAttempt) await giveUp(event, error)
        throw error
      }
    },
  }

  async function process(event: WebhookEvent): Promise<void> {
    const items = parseDelivery(event.body)
    if (items === null) {
      await auditDelivery(o.audit, event, { error: 'not_understood' })
      await markProcessed(o.sql, event.id, 'not_understood')
      webhooks.inc({ outcome: 'not_understood' })
      return
    }
    // Of choices and of the account as a whole the latest word counts, and a replay is not it.
    const isReplay = event.processedAt !== null
    const routed = await route(items, event.appId, o.numbers)
    const stored: Outcome['stored'] = []
    for (const { number, items } of routed.numbers) {
      const updates = sort(isReplay ? items.filter(({ kind }) => kind !== 'preference') : items)
      stored.push({ number, counts: await storeUpdates(o.sql, number, updates, event.requestId) })
    }
    if (!isReplay) await storeAccountUpdates(o.sql, o.numbers, routed.account)
    await auditDelivery(o.audit, event, { stored, ...routed })
    await markProcessed(o.sql, event.id, null)
    report(
      event,
      stored.map(({ counts }) => counts),
    )
  }

  function report(event: WebhookEvent, stored: readonly Stored[]): void {
    const duplicates = stored.reduce((sum, counts) => sum + counts.duplicates, 0)
    if (duplicates > 0)
      o.log.info({ eventId: event.id, rid: event.requestId, duplicates }, 'webhook_duplicate')
    webhooks.inc({ outcome: 'processed' })
    if (event.processedAt === null) webhookLag.observe((Date.now() - event.receivedAt.getTime()) / 1_000)
  }

  async function giveUp(event: WebhookEvent, error: unknown): Promise<void> {
    webhooks.inc({ outcome: 'failed' })
    // The name only: messages of the driver may quote what a customer wrote.
    const name = error instanceof Error ? error.name : 'unknown'
    await markFailed(o.sql, event.id, name).catch((err: unknown) =>
      o.log.error({ eventId: event.id, err }, 'webhook_failure_not_noted'),
    )
  }
}

function sort(items: readonly NumberItem[]): Updates {
  return {
    messages: items.filter((item) => item.kind === 'message'),
    statuses: items.filter((item) => item.kind === 'status'),
    preferences: items.filter((item) => item.kind === 'preference'),
  }
}
