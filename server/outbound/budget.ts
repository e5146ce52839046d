import type { Grant } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import type { Queryable, Transaction } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { limitHits } from '../metrics/metrics.ts'

/** So many messages in a day or a month (UTC). */
export interface Budget {
  readonly kind: 'key_day' | 'grant_day' | 'number_month'
  /** Of the key, the grant or the number. */
  readonly scopeId: string
  readonly limit: number
  readonly from: Date
  readonly until: Date
}

/**
 * What a message is counted against. A reaction costs nothing at Meta, so it does not count for the month; since October 2026
 * everything else may be charged for. The owner's implicit grant has no cap, and no key on stdio.
 */
export function budgetsOf(identity: Identity, grant: Grant, billable: boolean, now = new Date()): Budget[] {
  const [year, month, date] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()]
  const day = {
    from: new Date(Date.UTC(year, month, date)),
    until: new Date(Date.UTC(year, month, date + 1)),
  }
  const thisMonth = { from: new Date(Date.UTC(year, month)), until: new Date(Date.UTC(year, month + 1)) }
  const { number, dailyCap } = grant
  const budgets: Budget[] = []
  if (identity.keyId !== null)
    budgets.push({ kind: 'key_day', scopeId: identity.keyId, limit: identity.dailyMsgLimit, ...day })
  if (grant.id !== null && dailyCap !== null)
    budgets.push({ kind: 'grant_day', scopeId: grant.id, limit: dailyCap, ...day })
  // Counted without a cap too: one that is set later applies to the whole month.
  if (billable) {
    const limit = number.monthlyBillableCap ?? NO_LIMIT
    budgets.push({ kind: 'number_month', scopeId: number.id, limit, ...thisMonth })
  }
  return budgets
}

/** Counts one message against each budget, or throws and leaves the undoing to the transaction. @throws ToolError */
export async function spend(sql: Transaction, budgets: readonly Budget[]): Promise<void> {
  for (const budget of budgets) {
    const { kind, scopeId, from, limit } = budget
    const spent = await sql`
      insert into rate_limit_buckets as bucket (scope_kind, scope_id, window_start, count)
      select ${kind}, ${scopeId}, ${from}, 1 where ${limit}::int > 0
      on conflict (scope_kind, scope_id, window_start) do update set count = bucket.count + 1 where bucket.count < ${limit}`
    if (spent.count === 0) throw exhausted(budget)
  }
}

/** Whether {@link spend} would succeed now. @throws ToolError */
export async function checkBudgets(sql: Queryable, budgets: readonly Budget[]): Promise<void> {
  for (const budget of budgets) {
    const [row] = await sql<{ count: number }[]>`select count from rate_limit_buckets
      where scope_kind = ${budget.kind} and scope_id = ${budget.scopeId} and window_start = ${budget.from}`
    if ((row?.count ?? 0) >= budget.limit) throw exhausted(budget)
  }
}

const NO_LIMIT = 2_147_483_647

/** How each limit is called once it is reached. */
export const BUDGET_ERRORS = {
  key_day: { code: 'daily_limit_reached', what: 'messages this key may send per day' },
  grant_day: { code: 'grant_cap_reached', what: 'messages this client may send per day from this number' },
  number_month: { code: 'budget_reached', what: 'billable messages of this number per month' },
} as const

function exhausted({ kind, limit, until }: Budget): ToolError {
  limitHits.inc({ limit: kind })
  const { code, what } = BUDGET_ERRORS[kind]
  return new ToolError(`The ${limit} ${what} are used up.`, {
    code,
    category: 'limit',
    retryable: true,
    retryAfterS: Math.max(1, Math.ceil((until.getTime() - Date.now()) / 1_000)),
    hint: `Wait until ${until.toISOString()}, or ask the operator for a higher limit.`,
    data: { limit },
  })
}
