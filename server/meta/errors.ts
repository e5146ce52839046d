import { MetaError, type RetryClass } from './graph.ts'

/** Code of a {@link MetaError} that is not Meta's own: no answer, or none that Graph would give. */
export const NO_CODE = -1

type Details = ConstructorParameters<typeof MetaError>[1]

/** 131047: the person has not written for more than 24 hours. */
export class OutOfSessionWindowError extends MetaError {
  override readonly name = 'OutOfSessionWindowError'
}

/** 131026: the message cannot be delivered to this person. */
export class InvalidRecipientError extends MetaError {
  override readonly name = 'InvalidRecipientError'
}

/** 132xxx: the template, or what was put into it, does not fit. */
export class TemplateError extends MetaError {
  override readonly name = 'TemplateError'
}

/** 0 and 190: Meta does not take the access token. */
export class InvalidAccessTokenError extends MetaError {
  override readonly name = 'InvalidAccessTokenError'
}

interface Verdict {
  readonly retryClass: RetryClass
  readonly retryAfterS?: number
}

const group = (retryClass: RetryClass, codes: readonly number[]): [number, Verdict][] =>
  codes.map((code) => [code, { retryClass }])

const MINUTES = 120
const DAY = 86_400

/**
 * What Meta's codes ask for. The HTTP status does not tell: throttling comes as 400.
 *
 * Source of the codes: https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
 */
const VERDICTS: ReadonlyMap<number, Verdict> = new Map([
  ...group('retry', [1, 2, 131000, 131016, 133004, 131056]),
  [4, { retryClass: 'retry', retryAfterS: MINUTES }],
  [80007, { retryClass: 'retry', retryAfterS: MINUTES }],
  [130429, { retryClass: 'retry', retryAfterS: 5 }],
  [131057, { retryClass: 'retry', retryAfterS: 60 }],
  [133015, { retryClass: 'retry', retryAfterS: 300 }],
  [131048, { retryClass: 'wait', retryAfterS: DAY }],
  [131049, { retryClass: 'wait', retryAfterS: DAY }],
  [133016, { retryClass: 'wait', retryAfterS: 3 * DAY }],
  ...group('fix', [33, 100, 131008, 131009, 131047, 131051, 131052, 131053, 131062]),
  ...group('never', [130472, 130497, 131021, 131026, 131050, 132015, 132016]),
  ...group('operator', [0, 3, 10, 190, 368, 131005, 131031, 131037, 131042, 131045, 133010, 134011]),
])

/** Codes by which Meta asks the number, not one conversation, to slow down. */
export const NUMBER_THROTTLES: ReadonlySet<number> = new Set([4, 80007, 130429, 131057])
/** Too many messages to one person in a short time. */
export const PAIR_THROTTLE = 131056

function verdictOf(code: number, isTransient: boolean): Verdict {
  const known = VERDICTS.get(code)
  if (known) return known
  if (isTransient) return { retryClass: 'retry' }
  if ((code >= 200 && code <= 299) || (code >= 133000 && code <= 133999)) return { retryClass: 'operator' }
  return { retryClass: 'fix' }
}

function classOf(code: number): typeof MetaError {
  if (code === 131047) return OutOfSessionWindowError
  if (code === 131026) return InvalidRecipientError
  if (code === 190 || code === 0) return InvalidAccessTokenError
  return code >= 132000 && code <= 132999 ? TemplateError : MetaError
}

/** The error object of a Graph answer, as far as we read it. */
export interface GraphFault {
  readonly code: number
  readonly error_subcode?: number | undefined
  readonly is_transient?: boolean | undefined
  readonly fbtrace_id?: string | undefined
  readonly error_data?: { readonly details?: string | undefined } | undefined
}

/** Meta's refusal. Its own words stay in `details`: they may hold what was sent. */
export function refusal(fault: GraphFault, httpStatus: number): MetaError {
  const { code } = fault
  const { retryClass, retryAfterS = null } = verdictOf(code, fault.is_transient ?? false)
  const kind = classOf(code)
  const what = kind === InvalidAccessTokenError ? 'access token' : 'call'
  return new kind(`Meta refused the ${what} with code ${code}`, {
    code,
    subcode: fault.error_subcode ?? null,
    fbtraceId: fault.fbtrace_id ?? null,
    httpStatus,
    retryClass,
    retryAfterS,
    details: fault.error_data?.details ?? null,
  })
}

/** No answer of Graph's own. `message` says what came instead. */
export function noAnswer(
  message: string,
  retryClass: RetryClass,
  httpStatus: number | null = null,
): MetaError {
  return new MetaError(message, { ...NOTHING, retryClass, httpStatus })
}

/** There is no token to call with. */
export function missingToken(tokenRef: string): InvalidAccessTokenError {
  const message = `the access token ${tokenRef} is not on this host`
  return new InvalidAccessTokenError(message, { ...NOTHING, code: 190, retryClass: 'operator' })
}

const NOTHING: Details = {
  code: NO_CODE,
  subcode: null,
  fbtraceId: null,
  httpStatus: null,
  retryClass: 'ambiguous',
  retryAfterS: null,
  details: null,
}
