import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Numbers, PhoneNumber } from '../numbers/numbers.ts'

export type Verb = 'read' | 'send' | 'template'
export type SendPolicy = 'any' | 'window_only' | 'templates_only' | 'known_contacts' | 'approval'

/** What a client may do with one number. */
export interface Grant {
  /** null for the owner's implicit grant on every number. */
  readonly id: string | null
  readonly clientId: string
  readonly number: PhoneNumber
  readonly verbs: readonly Verb[]
  /** null: every tool the verbs cover. */
  readonly allowedTools: readonly string[] | null
  /** Messages per day (UTC); null is no cap. */
  readonly dailyCap: number | null
  readonly sendPolicy: SendPolicy
  readonly approveInClient: boolean
}

export interface Grants {
  /** Live grants on enabled numbers. The owner has an implicit full grant on each number without an explicit one. */
  of(clientId: string, isOwner: boolean): Promise<readonly Grant[]>
}

export function createGrants(_o: { sql: Database; numbers: Numbers; listener: Listener }): Grants {
  return { of: async () => [] }
}
