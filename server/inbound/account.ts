import type { Database } from '../db/pool.ts'
import { emit } from '../jobs/emit.ts'
import type { Numbers } from '../numbers/numbers.ts'
import type { LimitItem, TemplateItem } from './items.ts'
import { phoneDigits } from './json.ts'

/** Carries over what Meta says of a business account as a whole. The account must be known to belong to the app that signed. */
export async function storeAccountUpdates(
  sql: Database,
  numbers: Numbers,
  items: readonly (TemplateItem | LimitItem)[],
): Promise<void> {
  const templates = items.filter((item) => item.kind === 'template')
  for (const item of templates) await updateTemplate(sql, item)
  // The update holds a part only; the list has the rest, and templates that are new to us.
  for (const wabaId of new Set(templates.map(({ waba }) => waba))) {
    await emit(sql, 'wa/templates.sync.requested', { wabaId })
  }
  const known = await numbers.all()
  for (const { waba, displayNumber, limit } of items.filter((item) => item.kind === 'limit')) {
    const number = known.find(
      (other) => other.wabaId === waba && phoneDigits(other.displayNumber) === displayNumber,
    )
    if (number) await sql`update phone_numbers set messaging_limit = ${limit} where id = ${number.id}`
  }
}

async function updateTemplate(sql: Database, item: TemplateItem): Promise<void> {
  await sql`
    update templates set
      status = coalesce(${item.status}, status), category = coalesce(${item.category}, category),
      quality = coalesce(${item.quality}, quality), rejected_reason = coalesce(${item.reason}, rejected_reason)
    where wa_business_account_id = ${item.waba}
      and (wa_template_id = ${item.templateId} or (name = ${item.name} and language = ${item.language}))`
}
