import { ToolError } from '../mcp/tool-error.ts'
import { variablesOf } from './template.ts'

/** A template to be submitted to Meta. */
export interface NewTemplate {
  readonly name: string
  readonly category: string
  readonly language: string
  readonly header?: string | undefined
  readonly body: string
  readonly footer?: string | undefined
  readonly buttons: readonly NewButton[]
  /** A sample for each variable, by its name or number. */
  readonly examples: Readonly<Record<string, string>>
}

export type NewButton =
  | { readonly type: 'quick_reply'; readonly text: string }
  | { readonly type: 'url'; readonly text: string; readonly url: string }
  | { readonly type: 'phone_number'; readonly text: string; readonly phone_number: string }

/**
 * The body Graph takes. Meta's reviewers refuse what is refused here, hours later: variables at either end, gaps in their
 * numbers, missing samples (https://developers.facebook.com/docs/whatsapp/message-templates/guidelines).
 *
 * @throws ToolError `template_invalid` naming every problem.
 */
export function composeTemplate(template: NewTemplate): Readonly<Record<string, unknown>> {
  const { name, category, language, header, body, footer, buttons, examples } = template
  const problems = problemsOf(template)
  if (problems.length > 0) {
    throw new ToolError(`The template would be refused: ${problems.join(' ')}`, {
      code: 'template_invalid',
      category: 'template',
      hint: 'Correct what is named; validate_only checks without submitting.',
      data: { problems },
    })
  }
  const named = variablesOf(body).some((variable) => !/^\d+$/.test(variable))
  return {
    name,
    category,
    language,
    parameter_format: named ? 'NAMED' : 'POSITIONAL',
    components: [
      ...(header ? [{ type: 'HEADER', format: 'TEXT', text: header }] : []),
      { type: 'BODY', text: body, ...samplesOf(body, examples, named) },
      ...(footer ? [{ type: 'FOOTER', text: footer }] : []),
      ...(buttons.length > 0
        ? [{ type: 'BUTTONS', buttons: buttons.map((one) => ({ ...one, type: one.type.toUpperCase() })) }]
        : []),
    ],
  }
}

function problemsOf({ header, body, footer, buttons, examples }: NewTemplate): string[] {
  const variables = variablesOf(body)
  const numbered = variables.filter((variable) => /^\d+$/.test(variable))
  const missing = variables.filter((variable) => !examples[variable])
  const stray = Object.keys(examples).filter((variable) => !variables.includes(variable))
  const titles = buttons.map(({ text }) => text)
  const checks: [isWrong: boolean, problem: string][] = [
    [/^\s*\{\{|\}\}\s*$/.test(body), 'body must not begin or end with a variable.'],
    [/\}\}\s*\{\{/.test(body), 'body must have words between its variables.'],
    [
      numbered.length > 0 && numbered.length < variables.length,
      'variables must all be numbers or all be names.',
    ],
    [
      numbered.some((_, n) => !numbered.includes(String(n + 1))),
      'numbered variables must be 1, 2, 3 … without a gap.',
    ],
    [
      numbered.length === 0 && variables.some((one) => one !== one.toLowerCase()),
      'names must be lower case.',
    ],
    [missing.length > 0, `examples lacks ${missing.join(', ')}.`],
    [stray.length > 0, 'examples has names that body does not have.'],
    [variablesOf(header ?? '').length > 0, 'header must have no variables.'],
    [variablesOf(footer ?? '').length > 0, 'footer must have no variables.'],
    [new Set(titles).size < titles.length, 'buttons must have different texts.'],
    [
      buttons.some((one) => one.type === 'url' && variablesOf(one.url).length > 0),
      'url must have no variables.',
    ],
  ]
  return checks.flatMap(([isWrong, problem]) => (isWrong ? [problem] : []))
}

function samplesOf(body: string, examples: Readonly<Record<string, string>>, named: boolean) {
  const variables = variablesOf(body)
  if (variables.length === 0) return {}
  if (!named) {
    const order = variables.toSorted((a, b) => Number(a) - Number(b))
    return { example: { body_text: [order.map((variable) => examples[variable] ?? '')] } }
  }
  return {
    example: {
      body_text_named_params: variables.map((variable) => ({
        param_name: variable,
        example: examples[variable] ?? '',
      })),
    },
  }
}
