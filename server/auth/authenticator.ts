import { hash as digest, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../secrets/secret.ts'
import type { PreviousPepper } from '../config/secrets.ts'
import { type Database, within } from '../db/pool.ts'
import type { Identity } from './identity.ts'
import type { KeyCache } from './key-cache.ts'
import { hashToken, isToken, prefixOf } from './token.ts'

interface KeyRow {
  readonly id: string
  readonly hash: Buffer
  readonly expires_at: Date | null
  readonly client_id: string
  readonly client_name: string
  readonly is_owner: boolean
  readonly scopes: string[]
  readonly rpm_limit: number
  readonly daily_msg_limit: number
}

const LOOKUP_DEADLINE_MS = 4_000
const BEARER = /^Bearer +(\S+)$/i

export interface AuthenticatorOptions {
  readonly sql: Database
  readonly pepper: Secret
  readonly previousPepper: PreviousPepper | undefined
  readonly cache: KeyCache
}

/** Turns an `Authorization` header into an identity, by the keys in the database. */
export class Authenticator {
  readonly #o: AuthenticatorOptions

  constructor(options: AuthenticatorOptions) {
    this.#o = options
  }

  /**
   * @returns The identity; `undefined` when the header is missing or the key is unknown, wrong, revoked, expired or its
   *   client disabled. Which of these it was is deliberately not told.
   * @throws When the database does not answer: that says nothing about the key.
   */
  async authenticate(header: string | undefined): Promise<Identity | undefined> {
    const token = BEARER.exec(header ?? '')?.[1]
    if (token === undefined || !isToken(token)) return undefined
    const { cache, pepper } = this.#o
    // Only so that no token lies in memory: a whole HMAC for each call would cost a twentieth of it.
    const cacheKey = digest('sha256', token)
    const known = cache.get(cacheKey)
    if (known) return known

    const hash = hashToken(token, pepper)
    const remember = cache.beginLookup()
    const row = await this.#find(prefixOf(token))
    if (row === undefined || !(await this.#matches(row, token, hash))) return undefined
    const identity: Identity = {
      keyId: row.id,
      clientId: row.client_id,
      clientName: row.client_name,
      isOwner: row.is_owner,
      scopes: row.scopes,
      rpmLimit: row.rpm_limit,
      dailyMsgLimit: row.daily_msg_limit,
    }
    remember(cacheKey, identity, row.expires_at)
    return identity
  }

  async #find(prefix: string): Promise<KeyRow | undefined> {
    const { sql } = this.#o
    const query = sql<KeyRow[]>`
      select k.id, k.hash, k.expires_at, k.scopes, k.rpm_limit, k.daily_msg_limit,
        c.id as client_id, c.name as client_name, c.is_owner
      from api_keys k join clients c on c.id = k.client_id
      where k.prefix = ${prefix} and k.revoked_at is null and c.disabled_at is null
        and (k.expires_at is null or k.expires_at > now())`
    return (await within(LOOKUP_DEADLINE_MS, query))[0]
  }

  async #matches(row: KeyRow, token: string, hash: Buffer): Promise<boolean> {
    if (timingSafeEqual(row.hash, hash)) return true
    const previous = this.#o.previousPepper
    if (previous === undefined || previous.expires.getTime() <= Date.now()) return false
    if (!timingSafeEqual(row.hash, hashToken(token, previous.pepper))) return false
    // The token is in hand only now: moving its hash to the new pepper is what lets the previous one retire.
    await within(
      LOOKUP_DEADLINE_MS,
      this.#o.sql`update api_keys set hash = ${hash} where id = ${row.id} and hash = ${row.hash}`,
    )
    return true
  }
}
