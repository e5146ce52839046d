import { ToolError } from '../mcp/tool-error.ts'

/** What the person will see and can tap. */
export interface Interactive {
  readonly kind: 'buttons' | 'list' | 'cta_url' | 'location_request'
  readonly body: string
  readonly header?: string | undefined
  readonly footer?: string | undefined
  readonly buttons?: readonly Choice[] | undefined
  readonly sections?:
    | readonly { readonly title?: string | undefined; readonly rows: readonly Choice[] }[]
    | undefined
  readonly label?: string | undefined
  readonly url?: string | undefined
}

interface Choice {
  readonly id?: string | undefined
  readonly title: string
  readonly description?: string | undefined
}

const MOST_ROWS = 10
const SHORT_BODY = 1024
const FIELDS = {
  buttons: ['buttons'],
  list: ['sections', 'label'],
  cta_url: ['label', 'url'],
  location_request: [],
} as const

/**
 * Graph's `interactive` object ("Interactive messages" of the send reference). The schema has checked lengths and counts; here
 * is what depends on the kind.
 *
 * @throws ToolError `interactive_invalid` naming the first thing that does not fit.
 */
export function composeInteractive(input: Interactive): Readonly<Record<string, unknown>> {
  const { kind, body, header, footer } = input
  requireFields(input)
  if (kind !== 'list' && body.length > SHORT_BODY) throw invalid(`body may have ${SHORT_BODY} characters.`)
  if (kind === 'location_request' && (header ?? footer) !== undefined)
    throw invalid('a location request has no header and no footer.')
  return {
    type: kind === 'buttons' ? 'button' : kind === 'location_request' ? 'location_request_message' : kind,
    ...(header !== undefined && { header: { type: 'text', text: header } }),
    body: { text: body },
    ...(footer !== undefined && { footer: { text: footer } }),
    action: actionOf(input),
  }
}

function requireFields(input: Interactive): void {
  const wanted: readonly string[] = FIELDS[input.kind]
  for (const name of ['buttons', 'sections', 'label', 'url'] as const) {
    const isGiven = input[name] !== undefined
    if (isGiven === wanted.includes(name)) continue
    throw invalid(`${name} ${isGiven ? 'does not belong to' : 'is needed for'} kind ${input.kind}.`)
  }
}

function actionOf({ kind, buttons = [], sections = [], label, url }: Interactive) {
  if (kind === 'buttons') {
    requireDistinct('buttons', buttons, ({ title }) => title)
    requireDistinct('buttons', buttons, idOf)
    return { buttons: buttons.map((one) => ({ type: 'reply', reply: { id: idOf(one), title: one.title } })) }
  }
  if (kind === 'list') {
    const rows = sections.flatMap((one) => one.rows)
    if (rows.length > MOST_ROWS) throw invalid(`sections may have ${MOST_ROWS} rows in total.`)
    if (sections.length > 1 && sections.some(({ title }) => title === undefined))
      throw invalid('each of several sections needs a title.')
    requireDistinct('rows', rows, idOf)
    return {
      button: label,
      sections: sections.map((one) => ({ ...one, rows: one.rows.map((row) => ({ ...row, id: idOf(row) })) })),
    }
  }
  if (kind === 'cta_url') return { name: 'cta_url', parameters: { display_text: label, url } }
  return { name: 'send_location' }
}

const idOf = ({ id, title }: Choice): string => id ?? title

function requireDistinct(what: string, choices: readonly Choice[], keyOf: (choice: Choice) => string): void {
  if (new Set(choices.map(keyOf)).size < choices.length)
    throw invalid(`${what} must have different titles and ids.`)
}

function invalid(message: string): ToolError {
  return new ToolError(`The message cannot be sent like this: ${message}`, {
    code: 'interactive_invalid',
    category: 'invalid_input',
    hint: 'See the description of each field for what goes with which kind.',
  })
}
