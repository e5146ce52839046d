import type { Audit, AuditEntry } from '../audit/audit.ts'
import type { Logger } from '../log.ts'

const WINDOW_MS = 60_000
/** Beyond this, sources share one line; an attacker with many addresses must not fill the memory. */
const MOST_SOURCES = 1_000

/** Writes refusals to the audit log, one line per source and minute: refusing must stay cheaper than asking. */
export class Refusals {
  readonly #audit: Audit
  readonly #log: Logger
  readonly #sources = new Map<string, { until: number; more: number }>()

  constructor(audit: Audit, log: Logger) {
    this.#audit = audit
    this.#log = log
  }

  note(
    source: string,
    entry: Pick<AuditEntry, 'action' | 'requestId' | 'ip' | 'clientId' | 'keyId' | 'errorClass'>,
  ): void {
    const now = Date.now()
    if (this.#sources.size >= MOST_SOURCES) this.#forgetOld(now)
    const key = this.#sources.has(source) || this.#sources.size < MOST_SOURCES ? source : 'others'
    const known = this.#sources.get(key)
    if (known && now < known.until) {
      known.more += 1
      return
    }
    this.#sources.set(key, { until: now + WINDOW_MS, more: 0 })
    const detail = known?.more ? { not_listed_before: known.more } : {}
    this.#audit.record({ ...entry, outcome: 'refused', transport: 'http', detail }).catch((err: unknown) => {
      this.#log.error({ rid: entry.requestId, err }, 'refusal_not_audited')
    })
  }

  #forgetOld(now: number): void {
    for (const [source, { until }] of this.#sources) if (until < now) this.#sources.delete(source)
  }
}
