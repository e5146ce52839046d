import type { Listener } from '../db/listener.ts'
import { type Database, within } from '../db/pool.ts'
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

const DEADLINE_MS = 4_000
const LONGEST_MS = 30_000

interface Row extends Omit<Grant, 'number'> {
  readonly numberId: string
}

/** Grants, remembered per client until somebody changes any; while changes are not heard, nothing is remembered. */
export function createGrants(o: { sql: Database; numbers: Numbers; listener: Listener }): Grants {
  const remembered = new Map<string, { readonly grants: readonly Grant[]; readonly until: number }>()
  /** Counts the changes, so that a look-up begun before one cannot put its old answer back. */
  let generation = 0
  const forget = () => {
    generation += 1
    remembered.clear()
  }
  o.listener.on('auth_changed', { onNotice: forget, onGap: forget })

  async function load(clientId: string, isOwner: boolean): Promise<readonly Grant[]> {
    const [rows, numbers] = await Promise.all([
      within(DEADLINE_MS, findLive(o.sql, clientId)),
      within(DEADLINE_MS, o.numbers.all()),
    ])
    return numbers.flatMap((number) => {
      if (number.disabledAt !== null) return []
      const row = rows.find(({ numberId }) => numberId === number.id)
      if (row === undefined) return isOwner ? implicitGrant(clientId, number) : []
      const { numberId: _, ...grant } = row
      return { ...grant, number }
    })
  }

  return {
    of: async (clientId, isOwner) => {
      const known = remembered.get(clientId)
      if (known !== undefined && Date.now() < known.until) return known.grants
      const before = generation
      const grants = await load(clientId, isOwner)
      if (o.listener.listening && before === generation)
        remembered.set(clientId, { grants, until: Date.now() + LONGEST_MS })
      return grants
    },
  }
}

/** Lists as JSON: the driver reads no arrays (see `fetch_types` in `connect`). */
async function findLive(sql: Database, clientId: string): Promise<Row[]> {
  return await sql<Row[]>`
    select id, client_id as "clientId", phone_number_id as "numberId", to_jsonb(verbs) as verbs,
      to_jsonb(allowed_tools) as "allowedTools", daily_cap as "dailyCap", send_policy as "sendPolicy",
      approve_in_client as "approveInClient"
    from client_phone_grants where client_id = ${clientId} and revoked_at is null`
}

function implicitGrant(clientId: string, number: PhoneNumber): Grant {
  return {
    id: null,
    clientId,
    number,
    verbs: ['read', 'send', 'template'],
    allowedTools: null,
    dailyCap: null,
    sendPolicy: 'any',
    approveInClient: true,
  }
}
