import type { Grant } from '../auth/grants.ts'
import type { Queryable } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import type { Addressee } from './addressee.ts'
import type { Draft } from './outbound.ts'

/**
 * Whether this may be sent to this person now, as far as we can tell without Meta.
 *
 * @throws ToolError `number_paused`, `policy_denied`, `window_closed` (with templates that would be allowed) or `opted_out`.
 */
export async function checkPolicy(
  sql: Queryable,
  { grant, draft, to }: { grant: Grant; draft: Draft; to: Addressee },
): Promise<void> {
  if (grant.number.pausedAt !== null) throw paused(grant)
  const windowOpen = to.windowExpiresAt !== null && to.windowExpiresAt.getTime() > Date.now()
  if (grant.sendPolicy === 'templates_only' && !draft.isTemplate)
    throw denied('This key may send templates only.', 'Use send_template.')
  if (grant.sendPolicy === 'known_contacts' && !to.isKnown)
    throw denied(
      'This key may write only to people who have written before.',
      'Wait until the person writes.',
    )
  if (grant.sendPolicy === 'window_only' && draft.isTemplate && !windowOpen)
    throw denied('This key may write only while the window is open.', 'Wait until the person writes.')
  if (!draft.isTemplate && !windowOpen) throw await windowClosed(sql, grant, to)
  if (draft.isTemplate && to.optedOutOfMarketing && (await isMarketing(sql, grant, draft))) {
    throw new ToolError('The person has opted out of marketing messages.', {
      code: 'opted_out',
      category: 'recipient',
      hint: 'Send no marketing to this person; a utility template may still be right.',
    })
  }
}

/** Templates that may be sent to anybody now; those without parameters first. */
export async function approvedTemplates(
  sql: Queryable,
  wabaId: string,
): Promise<readonly { name: string; language: string; category: string }[]> {
  return sql<{ name: string; language: string; category: string }[]>`
    select name, language, category from templates
    where wa_business_account_id = ${wabaId} and status = 'APPROVED' and category <> 'AUTHENTICATION'
    order by category = 'UTILITY' desc, components::text like '%{{%', name, language limit 3`
}

async function windowClosed(sql: Queryable, grant: Grant, to: Addressee): Promise<ToolError> {
  const templates =
    grant.sendPolicy === 'window_only' ? [] : await approvedTemplates(sql, grant.number.wabaId)
  const since = to.windowExpiresAt
    ? `since ${to.windowExpiresAt.toISOString()}`
    : 'because the person never wrote'
  return new ToolError(`The 24 hour window of this conversation is closed, ${since}.`, {
    code: 'window_closed',
    category: 'window',
    hint:
      templates.length > 0
        ? 'Send one of these approved templates with send_template, or wait until the person writes.'
        : 'Wait until the person writes; no approved template may be sent instead.',
    data: { window_expires_at: to.windowExpiresAt?.toISOString() ?? null, templates: [...templates] },
  })
}

async function isMarketing(sql: Queryable, grant: Grant, draft: Draft): Promise<boolean> {
  const { name, language } = draft.payload as { name?: string; language?: { code?: string } }
  const [found] = await sql<{ category: string }[]>`
    select category from templates where wa_business_account_id = ${grant.number.wabaId}
      and name = ${name ?? ''} and language = ${language?.code ?? ''}`
  return found?.category === 'MARKETING'
}

function paused({ number }: Grant): ToolError {
  return new ToolError(`The number is paused: ${number.pausedReason ?? 'by the operator'}.`, {
    code: 'number_paused',
    category: 'account',
    retryable: true,
    hint: 'Nothing can be sent until the operator resumes the number.',
  })
}

function denied(message: string, hint: string): ToolError {
  return new ToolError(message, { code: 'policy_denied', category: 'permission', hint })
}
