import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import type { Secret } from '../../secrets/secret.ts'
import { CODES, RpcError } from './message.ts'

const LIFETIME_MS = 10 * 60_000

const sealed = z.object({ data: z.unknown(), until: z.number() })

/**
 * What a client of the stateless era carries between two calls for us: readable, but bound to who called what, unforgeable, and
 * good for ten minutes. Source: MCP 2026-07-28, multi round-trip requests > security.
 */
export class RequestStates {
  readonly #key: Buffer

  constructor(secret: Secret) {
    this.#key = Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'mcp request state', 32))
  }

  /** @param subject The client, the method and its arguments, in whatever form is the same the next time. */
  seal(subject: string, data: unknown): string {
    const payload = Buffer.from(JSON.stringify({ data, until: Date.now() + LIFETIME_MS })).toString(
      'base64url',
    )
    return `${payload}.${this.#sign(subject, payload).toString('base64url')}`
  }

  /**
   * @returns `undefined` once it is too old.
   * @throws RpcError -32602 unless we sealed it for this subject: the revision wants a forgery refused, not overlooked.
   */
  open(subject: string, state: string): { readonly data: unknown } | undefined {
    const [payload = '', signature = ''] = state.split('.')
    const given = Buffer.from(signature, 'base64url')
    const expected = this.#sign(subject, payload)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new RpcError(200, CODES.invalidParams, 'requestState is not what this call was given')
    }
    const { data, until } = sealed.parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
    return until > Date.now() ? { data } : undefined
  }

  #sign(subject: string, payload: string): Buffer {
    return createHmac('sha256', this.#key).update(`${payload}\n${subject}`).digest()
  }
}
