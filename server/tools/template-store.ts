import type { ClientScope } from '../db/scoped.ts'
import { ToolError } from '../mcp/tool-error.ts'
import type { StoredTemplate } from '../outbound/template.ts'

/** A template of the number's business account. @throws ToolError `template_not_found`, with what there is by that name. */
export async function requireTemplate(
  db: ClientScope,
  wabaId: string,
  name: string,
  language: string,
): Promise<StoredTemplate> {
  const found = await db.read(
    (sql) => sql<StoredTemplate[]>`
      select name, language, category, status, parameter_format as "parameterFormat", components
      from templates where wa_business_account_id = ${wabaId} and name = ${name} and status <> 'DELETED'
      order by language`,
  )
  const template = found.find((one) => one.language === language)
  if (template) return template
  const languages = found.map((one) => one.language)
  throw new ToolError('There is no such template in that language.', {
    code: 'template_not_found',
    category: 'template',
    hint: languages.length > 0 ? 'Use one of the languages in data.' : 'Choose one with list_templates.',
    data: { languages },
  })
}
