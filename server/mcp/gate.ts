import type { Audit } from '../audit/audit.ts'
import type { Identity } from '../auth/identity.ts'
import type { RequestLimits } from '../auth/limits.ts'
import { type Exchange, HttpError } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import { authFailures } from '../metrics/metrics.ts'
import { createHostCheck } from './hosts.ts'
import { Refusals } from './refusals.ts'

export interface GateOptions {
  /** See Authenticator.authenticate. */
  readonly authenticate: (header: string | undefined) => Promise<Identity | undefined>
  readonly limits: Pick<RequestLimits, 'admit'>
  readonly noteUse: (keyId: string) => void
  readonly audit: Audit
  readonly publicUrl: URL
  readonly log: Logger
}

/**
 * Who gets in, before anything of MCP: 403 for a foreign `Host` or `Origin`, 401 without a good key, 503 while keys cannot be
 * checked, 429 over the key's limit.
 */
export function createGate(o: GateOptions): (exchange: Exchange) => Promise<Identity> {
  const isOurHost = createHostCheck(o.publicUrl)
  const refusals = new Refusals(o.audit, o.log)

  return async ({ req, requestId, ip }) => {
    if (!isOurHost(req.headers)) throw new HttpError(403, 'forbidden')
    const identity = await o.authenticate(req.headers.authorization).catch((err: unknown) => {
      o.log.error({ rid: requestId, err }, 'key_not_checked')
      throw new HttpError(503, 'unavailable', { 'retry-after': '5' })
    })
    if (identity === undefined) {
      authFailures.inc({ surface: 'mcp' })
      refusals.note(`ip ${network(ip)}`, { action: 'auth.refused', requestId, ip, errorClass: 'bad_key' })
      // No `resource_metadata`: it would announce OAuth, and clients would then ignore the key they were given.
      throw new HttpError(401, 'unauthorized', { 'www-authenticate': 'Bearer' })
    }
    if (identity.keyId) o.noteUse(identity.keyId)
    const admission = await o.limits.admit(identity)
    if (!admission.ok) {
      const { clientId, keyId } = identity
      const entry = { action: 'limit.refused', requestId, ip, clientId, keyId, errorClass: 'rate_limited' }
      refusals.note(`key ${keyId}`, entry)
      throw new HttpError(429, 'rate_limited', { 'retry-after': String(admission.retryAfterS) })
    }
    return identity
  }
}

/** The neighbourhood an address is in: /24, or /64 of IPv6, of which one subscriber has them all. */
function network(ip: string): string {
  return ip.includes(':') ? ip.split(':').slice(0, 4).join(':') : ip.split('.').slice(0, 3).join('.')
}
