import * as z from 'zod'
import type { Grant } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import type { Transaction } from '../db/pool.ts'
import { readAnnotations, tool } from '../mcp/tool.ts'
import { budgetsOf } from '../outbound/budget.ts'
import { phoneNumberId } from './input.ts'

const budgetSchema = z.object({ limit: z.int(), left: z.int(), resets_at: z.string() })

/** Which numbers the key may use, and for what. */
export const listNumbers = tool({
  name: 'list_numbers',
  title: 'List numbers',
  description:
    'The WhatsApp numbers this key may use: what it may do with each, how the number stands with WhatsApp, and how many messages are left.',
  input: z.strictObject({ phone_number_id: phoneNumberId.optional() }),
  output: z.object({
    numbers: z.array(
      z.object({
        phone_number_id: z.string(),
        label: z.string(),
        display_number: z.string().nullable(),
        verbs: z.array(z.enum(['read', 'send', 'template'])),
        allowed_tools: z.array(z.string()).nullable().describe('null: every tool the verbs cover'),
        send_policy: z.enum(['any', 'window_only', 'templates_only', 'known_contacts', 'approval']),
        state: z.enum(['active', 'paused']).describe('Nothing is sent from a paused number'),
        paused_reason: z.string().nullable(),
        quality: z.string().nullable(),
        messaging_limit: z.string().nullable(),
        budgets: z
          .object({
            key_day: budgetSchema.optional(),
            grant_day: budgetSchema.optional(),
            number_month: budgetSchema.optional(),
          })
          .describe(
            'Messages left of this key today, of this client on this number today, of the number this month',
          ),
      }),
    ),
  }),
  verb: null,
  subject: 'numbers',
  annotations: readAnnotations,
  run: (_, { db, grants, identity }) =>
    db.read(async (sql) => ({
      numbers: await Promise.all(grants.map((grant) => describeNumber(sql, identity, grant))),
    })),
})

async function describeNumber(sql: Transaction, identity: Identity, grant: Grant) {
  const { number } = grant
  return {
    phone_number_id: number.waId,
    label: number.label,
    display_number: number.displayNumber,
    verbs: [...grant.verbs],
    allowed_tools: grant.allowedTools && [...grant.allowedTools],
    send_policy: grant.sendPolicy,
    state: number.pausedAt === null ? ('active' as const) : ('paused' as const),
    paused_reason: number.pausedReason,
    quality: number.qualityRating,
    messaging_limit: number.messagingLimit,
    budgets: Object.fromEntries(await readBudgets(sql, identity, grant)),
  }
}

async function readBudgets(sql: Transaction, identity: Identity, grant: Grant) {
  const budgets = budgetsOf(identity, grant, true).filter(
    ({ kind }) => kind !== 'number_month' || grant.number.monthlyBillableCap !== null,
  )
  return await Promise.all(
    budgets.map(async ({ kind, scopeId, limit, from, until }) => {
      const [spent] = await sql<{ count: number }[]>`
        select count from rate_limit_buckets
        where scope_kind = ${kind} and scope_id = ${scopeId} and window_start = ${from}`
      const left = Math.max(0, limit - (spent?.count ?? 0))
      return [kind, { limit, left, resets_at: until.toISOString() }] as const
    }),
  )
}
