import type { Audit, AuditEntry } from '../audit/audit.ts'
import type { PhoneNumber } from '../numbers/numbers.ts'
import type { WebhookEvent } from './event.ts'
import type { Routed } from './route.ts'
import type { Stored } from './store.ts'

/** What became of a delivery. */
export interface Outcome extends Pick<Routed, 'dropped' | 'account' | 'ignored'> {
  readonly stored: { readonly number: PhoneNumber; readonly counts: Stored }[]
}

/**
 * Puts on record what a delivery did, once per number it reached, and what of it was turned away. Counts and ids, nothing that
 * was said.
 */
export async function auditDelivery(
  audit: Audit,
  event: WebhookEvent,
  outcome: Outcome | { readonly error: string },
): Promise<void> {
  const common = { transport: 'webhook', requestId: event.requestId ?? undefined } as const
  const detail = { eventId: event.id, ...(event.processedAt && { replay: true }) }
  const entry = (fields: Pick<AuditEntry, 'action' | 'outcome'> & Partial<AuditEntry>) =>
    audit.record({ ...common, ...fields, detail: { ...detail, ...fields.detail } })
  if ('error' in outcome) {
    return await entry({ action: 'webhook.processed', outcome: 'failed', errorClass: outcome.error })
  }
  const { stored, dropped, account, ignored } = outcome
  const others = { account: account.length, ignored: [...ignored].map(([what, count]) => ({ what, count })) }
  const isAboutNumbers = stored.length > 0 && account.length === 0 && ignored.size === 0
  await Promise.all([
    ...stored.map(({ number, counts }) =>
      entry({ action: 'webhook.processed', outcome: 'ok', ...attribution(number), detail: { ...counts } }),
    ),
    ...(isAboutNumbers ? [] : [entry({ action: 'webhook.processed', outcome: 'ok', detail: others })]),
    ...dropped.map(({ reason, number, count }) =>
      entry({
        action: 'webhook.dropped',
        outcome: 'refused',
        errorClass: reason,
        ...attribution(number),
        detail: { count },
      }),
    ),
  ])
}

function attribution(number: PhoneNumber | undefined): Pick<AuditEntry, 'clientId' | 'phoneNumberId'> {
  return { clientId: number?.clientId, phoneNumberId: number?.waId }
}
