import * as z from 'zod'
import type { Database } from '../db/pool.ts'
import { emit } from '../jobs/emit.ts'
import { readAnnotations, tool } from '../mcp/tool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { type StoredTemplate, shapeOf } from '../outbound/template.ts'
import { grantOf, numberField } from './send-result.ts'
import type { Services } from './services.ts'

interface Row extends StoredTemplate {
  readonly quality: string | null
  readonly rejectedReason: string | null
}

const output = z.object({
  templates: z.array(
    z.object({
      name: z.string(),
      language: z.string(),
      category: z.string(),
      status: z.string(),
      parameters: z.array(z.string()).describe('Variables of the body, for parameters of send_template'),
      header: z.string().describe('none, text, image, video or document'),
      header_parameter: z.boolean().describe('Whether the header has a variable'),
      buttons: z.array(
        z.object({
          index: z.number(),
          text: z.string(),
          parameter: z.string().nullable(),
          is_required: z.boolean(),
        }),
      ),
      preview: z.string(),
      quality: z.string().nullable(),
      rejected_reason: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
  note: z.string().nullable(),
})

/** What may be sent outside the window, and how each one is filled. */
export const listTemplates = ({ sql }: Pick<Services, 'sql'>) =>
  tool({
    name: 'list_templates',
    title: 'List templates',
    description:
      "Templates of the number's business account: what they say, what they have to be filled with, and their category. " +
      'Only APPROVED ones can be sent. Prefer UTILITY over MARKETING for what the person asked for.',
    input: z.strictObject({
      phone_number_id: numberField,
      status: z
        .string()
        .max(30)
        .default('APPROVED')
        .describe('APPROVED, PENDING, REJECTED, PAUSED …, or ANY.'),
      category: z.enum(['MARKETING', 'UTILITY', 'AUTHENTICATION']).optional(),
      language: z.string().max(20).optional().describe('Such as en_US; en finds all of English.'),
      query: z.string().max(200).optional().describe('Words that the name or the text contains.'),
      limit: z.number().int().min(1).max(100).default(20),
      cursor: z.string().max(1000).optional().describe('next_cursor of the page before.'),
    }),
    output,
    verb: 'read',
    subject: 'number',
    annotations: readAnnotations,
    run: async (input, context) => {
      const { wabaId } = grantOf(context).number
      const [name, language] = input.cursor === undefined ? ['', ''] : decode(input.cursor)
      const pattern = `%${(input.query ?? '').replace(/[\\%_]/g, '\\$&')}%`
      const rows = await context.db.read(
        (tx) => tx<Row[]>`
          select name, language, category, status, parameter_format as "parameterFormat", components, quality,
            rejected_reason as "rejectedReason"
          from templates
          where wa_business_account_id = ${wabaId} and (name, language) > (${name}, ${language})
            and (${input.status} = 'ANY' or status = ${input.status}) and (${input.status} = 'DELETED' or status <> 'DELETED')
            and (${input.category ?? null}::text is null or category = ${input.category ?? null})
            and (${input.language ?? null}::text is null or language = ${input.language ?? null}
              or language like ${`${(input.language ?? '').replace(/[\\%_]/g, '\\$&')}\\_%`})
            and (name ilike ${pattern} or components::text ilike ${pattern})
          order by name, language limit ${input.limit + 1}`,
      )
      const page = rows.slice(0, input.limit)
      const last = rows.length > page.length ? page.at(-1) : undefined
      const note = rows.length === 0 ? await fetchIfNone(sql, wabaId) : null
      return {
        templates: page.map(view),
        next_cursor: last ? encode([last.name, last.language]) : null,
        note,
      }
    },
  })

function view({ name, language, category, status, components, quality, rejectedReason }: Row) {
  const shape = shapeOf({ components })
  return {
    name,
    language,
    category,
    status,
    parameters: [...shape.bodyVariables],
    header: shape.headerKind,
    header_parameter: shape.headerVariables.length > 0,
    buttons: shape.buttons.map(({ index, text, parameter, isRequired }) => ({
      index,
      text,
      parameter,
      is_required: isRequired,
    })),
    preview: [shape.headerText, shape.body, shape.footer].filter((text) => text !== '').join('\n'),
    quality,
    rejected_reason: rejectedReason,
  }
}

/** A business account that was added today has not been asked yet. */
async function fetchIfNone(sql: Database, wabaId: string): Promise<string> {
  const [known] = await sql`select 1 from templates where wa_business_account_id = ${wabaId} limit 1`
  if (known) return 'No template matches; status ANY also shows those that cannot be sent.'
  await emit(sql, 'wa/templates.sync.requested', { wabaId }, { key: wabaId })
  return 'No template is known yet. They are being fetched from Meta; look again in a few seconds.'
}

const position = z.tuple([z.string(), z.string()])

function encode(last: z.infer<typeof position>): string {
  return Buffer.from(JSON.stringify(last)).toString('base64url')
}

function decode(cursor: string): z.infer<typeof position> {
  try {
    return position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    throw new ToolError('cursor is not one that list_templates gave.', {
      code: 'invalid_input',
      category: 'invalid_input',
      hint: 'Use next_cursor as it came, or leave cursor out to begin again.',
    })
  }
}
