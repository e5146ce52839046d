import * as z from 'zod'
import { tool } from '../mcp/tool.ts'
import { composeTemplate } from '../outbound/new-template.ts'
import { orRefusal } from '../outbound/refusal.ts'
import { grantOf, numberField } from './send-result.ts'
import type { Services } from './services.ts'

const buttonText = z.string().min(1).max(25)
const button = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('quick_reply'), text: buttonText }),
  z.strictObject({ type: z.literal('url'), text: buttonText, url: z.url({ protocol: /^https$/ }).max(2000) }),
  z.strictObject({
    type: z.literal('phone_number'),
    text: buttonText,
    phone_number: z.string().regex(/^\+[1-9]\d{7,14}$/),
  }),
])

const output = z.object({
  template_id: z.string().nullable(),
  name: z.string(),
  language: z.string(),
  category: z.string().describe('Meta may choose another one than you asked for.'),
  state: z.string().describe('validated, or what Meta says: PENDING, APPROVED, REJECTED'),
})

/** Submits a template for Meta's review. */
export const createTemplate = ({ sql, graph }: Pick<Services, 'sql' | 'graph'>) =>
  tool({
    name: 'create_template',
    title: 'Create a template',
    description:
      "Submits a new template to Meta's review, which takes up to a day; list_templates shows when it is APPROVED. Variables " +
      'are {{1}}, {{2}} … or {{first_name}}; each needs a sample, and none may be first or last. A name is taken for 30 days ' +
      'even after deletion, so check with validate_only first.',
    input: z.strictObject({
      name: z
        .string()
        .max(512)
        .regex(/^[a-z0-9_]+$/, { error: 'must be lower case letters, digits and underscores' }),
      category: z.enum(['UTILITY', 'MARKETING']),
      language: z.string().regex(/^[a-z]{2,3}(_[A-Z]{2})?$/, { error: 'must be a code such as en or en_US' }),
      header: z.string().min(1).max(60).optional(),
      body: z.string().min(1).max(1024),
      footer: z.string().min(1).max(60).optional(),
      buttons: z.array(button).max(10).default([]),
      examples: z
        .record(z.string(), z.string().min(1).max(200))
        .default({})
        .describe('A sample value for each variable: {"1": "Ana"}.'),
      validate_only: z.boolean().default(false),
      phone_number_id: numberField,
    }),
    output,
    verb: 'template',
    subject: 'number',
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    run: async (input, context) => {
      const { name, language, category } = input
      const { number } = grantOf(context)
      const template = composeTemplate(input)
      if (input.validate_only) return { template_id: null, name, language, category, state: 'validated' }
      const made = await orRefusal(graph.createTemplate(number, template))
      await sql`
        insert into templates (wa_business_account_id, wa_template_id, name, language, category, status, parameter_format,
          components)
        values (${number.wabaId}, ${made.id}, ${name}, ${language}, ${made.category}, ${made.status},
          ${String(template.parameter_format)}, ${JSON.stringify(template.components)}::text::jsonb)
        on conflict (wa_business_account_id, name, language) do update set wa_template_id = excluded.wa_template_id,
          category = excluded.category, status = excluded.status, parameter_format = excluded.parameter_format,
          components = excluded.components, synced_at = now()`
      return { template_id: made.id, name, language, category: made.category, state: made.status }
    },
  })
