import * as z from 'zod'
import type { Secret } from '../../secrets/secret.ts'
import type { PhoneNumber } from '../numbers/numbers.ts'
import { VERSION } from '../version.ts'
import { missingToken, noAnswer, refusal } from './errors.ts'
import type { MetaError } from './graph.ts'

export interface GraphHttpOptions {
  /** `https://graph.facebook.com` */
  readonly baseUrl: URL
  /** `v26.0`. Always part of the path: without it Meta picks one. */
  readonly version: string
  readonly tokenOf: (number: PhoneNumber) => Secret | undefined
  /** For one call with its answer; default 30 000. */
  readonly timeoutMs?: number | undefined
}

export interface Call<T> {
  readonly method: 'GET' | 'POST'
  /** Below the version; each part is escaped. */
  readonly path: readonly string[]
  readonly query?: Readonly<Record<string, string>>
  readonly json?: Readonly<Record<string, unknown>>
  readonly form?: FormData
  readonly answer: z.ZodType<T>
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 30_000

/** The connection was never there, so nothing can have been done. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])
/** Likewise, because whoever answered could not prove to be Meta. */
const NOT_TRUSTED = /^(CERT_|DEPTH_ZERO_|ERR_TLS_|SELF_SIGNED_|UNABLE_TO_)/

const failure = z.object({
  error: z.object({
    code: z.number(),
    error_subcode: z.number().optional().catch(undefined),
    is_transient: z.boolean().optional().catch(undefined),
    fbtrace_id: z.string().optional().catch(undefined),
    error_data: z.object({ details: z.string().optional() }).optional().catch(undefined),
  }),
})

/** One call to Graph: the path, the token, the time-out, and what its answer means. */
export class GraphHttp {
  readonly #options: GraphHttpOptions

  constructor(options: GraphHttpOptions) {
    this.#options = options
  }

  /** @throws MetaError */
  async call<T>(number: PhoneNumber, call: Call<T>): Promise<T> {
    const { status, text } = await this.#exchange(this.url(call.path, call.query), {
      method: call.method,
      headers: { ...this.headers(number), ...(call.json && { 'content-type': 'application/json' }) },
      body: call.json ? JSON.stringify(call.json) : (call.form ?? null),
      redirect: 'error',
      signal: AbortSignal.timeout(call.timeoutMs ?? this.#options.timeoutMs ?? TIMEOUT_MS),
    })
    const answer = parse(text)
    if (status >= 200 && status < 300) {
      const parsed = call.answer.safeParse(answer)
      if (parsed.success) return parsed.data
    }
    throw failureOf(status, answer)
  }

  /** @throws InvalidAccessTokenError when the number's token is not on this host. */
  headers(number: PhoneNumber): Record<string, string> {
    const token = this.#options.tokenOf(number)
    if (token === undefined) throw missingToken(number.tokenRef)
    return { authorization: `Bearer ${token.reveal()}`, 'user-agent': `whatsapp-mcp/${VERSION}` }
  }

  url(path: readonly string[], query: Readonly<Record<string, string>> = {}): URL {
    const { baseUrl, version } = this.#options
    const url = new URL(['', version, ...path].map(encodeURIComponent).join('/'), baseUrl)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url
  }

  async #exchange(url: URL, init: RequestInit): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(url, init)
      return { status: response.status, text: await response.text() }
    } catch (error) {
      throw brokenConnection(error)
    }
  }
}

/** What a connection that failed says about the request. The original error is left out: it may quote headers. */
export function brokenConnection(error: unknown): MetaError {
  const { cause, name } = error as { cause?: { code?: string }; name?: string }
  const code = cause?.code ?? name ?? 'unknown'
  if (NOT_SENT.has(code) || NOT_TRUSTED.test(code))
    return noAnswer(`Meta cannot be reached (${code})`, 'retry')
  return noAnswer(`no answer from Meta (${code}); it may have done what was asked`, 'ambiguous')
}

function failureOf(status: number, answer: unknown): MetaError {
  const parsed = failure.safeParse(answer)
  if (parsed.success) return refusal(parsed.data.error, status)
  // Something between us and Meta answered, or Meta in a way we do not know. Only a plain refusal is sure to be one.
  if (status === 429) return noAnswer('a 429 without a reason came instead of an answer', 'retry', status)
  const refused = status >= 400 && status < 500 && status !== 408
  return noAnswer(
    `a ${status} that is not Graph's came instead of an answer`,
    refused ? 'operator' : 'ambiguous',
    status,
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
