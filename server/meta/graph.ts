import type { Readable } from 'node:stream'
import type { PhoneNumber } from '../numbers/numbers.ts'

/** What Graph answers to a send. 200 means accepted, not delivered. */
export interface SendReceipt {
  readonly wamid: string
  readonly messageStatus: string | null
  readonly waId: string | null
  readonly bsuid: string | null
}

export interface MediaLocation {
  readonly url: string
  readonly mimeType: string
  readonly sha256: string | null
  readonly sizeBytes: number | null
}

/** Meta's Graph API, as far as we use it. Every call throws {@link MetaError}; tokens never appear in messages. */
export interface Graph {
  /** `body` is complete but for `messaging_product`. Never repeats a request by itself. */
  send(number: PhoneNumber, body: Readonly<Record<string, unknown>>): Promise<SendReceipt>
  markRead(number: PhoneNumber, wamid: string, typing: boolean): Promise<void>
  uploadMedia(
    number: PhoneNumber,
    file: { path: string; mimeType: string; filename: string },
  ): Promise<string>
  locateMedia(number: PhoneNumber, mediaId: string): Promise<MediaLocation>
  /** Follows no redirect to a host that is not Meta's. */
  downloadMedia(number: PhoneNumber, url: string): Promise<{ body: Readable; mimeType: string | null }>
  listTemplates(number: PhoneNumber): Promise<readonly Readonly<Record<string, unknown>>[]>
  createTemplate(
    number: PhoneNumber,
    template: Readonly<Record<string, unknown>>,
  ): Promise<{ id: string; status: string; category: string }>
  /** Quality, limits and state of the number. */
  describeNumber(number: PhoneNumber): Promise<Readonly<Record<string, unknown>>>
}

export type RetryClass = 'retry' | 'wait' | 'fix' | 'never' | 'operator' | 'ambiguous'

/**
 * A call to Graph that did not succeed. `ambiguous` means that Meta may have done what was asked: the connection broke, or
 * time ran out, after the body was sent.
 */
export class MetaError extends Error {
  override readonly name: string = 'MetaError'
  readonly code: number
  readonly subcode: number | null
  readonly fbtraceId: string | null
  readonly httpStatus: number | null
  readonly retryClass: RetryClass
  /** Seconds to wait before another try makes sense; null where the class does not say. */
  readonly retryAfterS: number | null
  /** `error_data.details`, in Meta's words. */
  readonly details: string | null

  constructor(
    message: string,
    o: Pick<
      MetaError,
      'code' | 'subcode' | 'fbtraceId' | 'httpStatus' | 'retryClass' | 'retryAfterS' | 'details'
    >,
  ) {
    super(message)
    this.code = o.code
    this.subcode = o.subcode
    this.fbtraceId = o.fbtraceId
    this.httpStatus = o.httpStatus
    this.retryClass = o.retryClass
    this.retryAfterS = o.retryAfterS
    this.details = o.details
  }
}
