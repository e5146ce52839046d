import type { Grant } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import type { ToolContext } from '../mcp/tool.ts'

/** Exactly one of them. */
export interface Recipient {
  readonly conversation_id?: string | undefined
  /** E.164 with `+`. */
  readonly phone?: string | undefined
  /** Business-scoped user id. */
  readonly bsuid?: string | undefined
}

/** What to send. `payload` is the part of Graph's body named like the type. */
export interface Draft {
  readonly type:
    | 'text'
    | 'image'
    | 'video'
    | 'audio'
    | 'document'
    | 'sticker'
    | 'interactive'
    | 'template'
    | 'reaction'
  readonly payload: Readonly<Record<string, unknown>>
  /** For people and for the search. */
  readonly body: string | null
  readonly replyToWamid?: string | undefined
  /** Stored media (`media_objects.id`) that Meta must have before. */
  readonly mediaId?: string | undefined
  /** Templates may be sent outside the service window. */
  readonly isTemplate: boolean
}

export interface SendRequest {
  readonly identity: Identity
  readonly grant: Grant
  readonly tool: string
  readonly requestId: string
  readonly to: Recipient
  readonly draft: Draft
  readonly idempotencyKey: string | undefined
  readonly dryRun: boolean
  /** Seconds to wait for Meta's first answer, 0 to 25. */
  readonly waitS: number
  readonly signal: AbortSignal
  readonly confirm: ToolContext['confirm']
}

export interface SendResult {
  /** null for a dry run. */
  readonly message_id: string | null
  readonly wamid: string | null
  readonly state: string
  readonly conversation_id: string | null
  readonly window_expires_at: string | null
  readonly idempotency_key: string | null
  readonly warnings: readonly string[]
}

/** The outbound ledger: row first, then Meta, and never twice. */
export interface Outbound {
  /** @throws ToolError with the next step when a policy, a limit, the window or Meta says no. */
  send(request: SendRequest): Promise<SendResult>
  /** Releases or rejects a message that waits for approval. @throws ToolError when it does not wait. */
  decide(messageId: string, decision: 'release' | 'reject'): Promise<void>
}
