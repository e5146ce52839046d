import { createHash } from 'node:crypto'
import { ToolError } from '../mcp/tool-error.ts'
import type { SendRequest } from './outbound.ts'

/** What makes two requests the same. */
export interface Fingerprint {
  /** The caller's own, or one of the client, what it asks and the minute. */
  readonly key: string
  /** SHA-256 of what is asked, whatever the key. */
  readonly hash: Buffer
}

/** Without a key of the caller, the same request within the same minute of the clock is the same message. */
export function fingerprint({ identity, grant, to, draft, idempotencyKey }: SendRequest): Fingerprint {
  const hash = sha256(canonical({ number: grant.number.waId, to, draft }))
  if (idempotencyKey !== undefined) return { key: idempotencyKey, hash }
  const minute = Math.floor(Date.now() / 60_000)
  const derived = sha256(`${identity.clientId} ${minute} ${hash.toString('hex')}`)
  return { key: `auto-${derived.toString('hex')}`, hash }
}

/** @throws ToolError `idempotency_conflict` when the key was used for something else. */
export function requireSame(stored: Uint8Array | null, { hash }: Fingerprint): void {
  if (stored !== null && hash.equals(stored)) return
  throw new ToolError('This idempotency_key was used for another message.', {
    code: 'idempotency_conflict',
    category: 'conflict',
    hint: 'Use a new key for a new message, or repeat the first request exactly.',
  })
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** JSON whose keys are in one order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
