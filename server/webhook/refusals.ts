import type { Audit } from '../audit/audit.ts'
import type { Logger } from '../log.ts'
import { authFailures, webhooks } from '../metrics/metrics.ts'

const AUDIT_EVERY_MS = 60_000

/** Counts deliveries nobody we know signed. They reach the audit once a minute as a number, or a flood would fill it. */
export class Refusals {
  readonly #audit: Audit
  readonly #log: Logger
  #count = 0
  #waiting = false

  constructor(o: { audit: Audit; log: Logger }) {
    this.#audit = o.audit
    this.#log = o.log
  }

  /** @param ip Of the caller; the audit names the latest of a minute. */
  add(ip: string): void {
    authFailures.inc({ surface: 'webhook' })
    webhooks.inc({ outcome: 'refused' })
    this.#count += 1
    if (!this.#waiting) this.#record(ip)
  }

  #record(ip: string): void {
    const detail = { count: this.#count }
    this.#count = 0
    this.#waiting = true
    setTimeout(() => {
      this.#waiting = false
      if (this.#count > 0) this.#record(ip)
    }, AUDIT_EVERY_MS).unref()
    this.#audit
      .record({
        action: 'webhook.refused',
        outcome: 'refused',
        transport: 'webhook',
        errorClass: 'signature',
        ip,
        detail,
      })
      .catch((err: unknown) => this.#log.error({ err }, 'refusals_not_audited'))
  }
}
