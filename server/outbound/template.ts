import * as z from 'zod'

const button = z.looseObject({
  type: z.string(),
  text: z.string().default(''),
  url: z.string().optional(),
})
const component = z.looseObject({
  type: z.string().transform((type) => type.toUpperCase()),
  format: z.string().optional(),
  text: z.string().default(''),
  buttons: z.array(button).default([]),
})

/** A row of `templates`, as a sender needs it. */
export interface StoredTemplate {
  readonly name: string
  readonly language: string
  readonly category: string
  readonly status: string
  /** `NAMED` or `POSITIONAL` */
  readonly parameterFormat: string
  readonly components: unknown
}

export type HeaderKind = 'none' | 'text' | 'image' | 'video' | 'document' | 'other'

export interface TemplateButton {
  readonly index: number
  readonly type: string
  readonly text: string
  /** What a sender may fill in; null where nothing can be. */
  readonly parameter: 'payload' | 'url_suffix' | 'code' | null
  readonly isRequired: boolean
}

/** What a template looks like and what it wants to be filled with. */
export interface TemplateShape {
  readonly headerKind: HeaderKind
  readonly headerText: string
  readonly headerVariables: readonly string[]
  readonly body: string
  readonly bodyVariables: readonly string[]
  readonly footer: string
  readonly buttons: readonly TemplateButton[]
  /** Parts, such as carousels, that we cannot fill. */
  readonly unsupported: readonly string[]
}

const PARTS = new Set(['HEADER', 'BODY', 'FOOTER', 'BUTTONS'])
const HEADER_KINDS: Readonly<Record<string, HeaderKind>> = {
  TEXT: 'text',
  IMAGE: 'image',
  VIDEO: 'video',
  DOCUMENT: 'document',
}

/** `{{1}}` or `{{first_name}}`, each once, in order of appearance. */
export function variablesOf(text: string): string[] {
  return [...new Set([...text.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].flatMap(([, name]) => name ?? []))]
}

/** The text with values in place of its variables; one that has none stays. */
export function render(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{\{\s*(\w+)\s*\}\}/g, (variable, name: string) =>
    Object.hasOwn(values, name) ? (values[name] ?? '') : variable,
  )
}

/** Reads the components Meta lists: https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/components */
export function shapeOf({ components }: Pick<StoredTemplate, 'components'>): TemplateShape {
  const parts = z.array(component).catch([]).parse(components)
  const part = (type: string) => parts.find((one) => one.type === type)
  const header = part('HEADER')
  const body = part('BODY')?.text ?? ''
  const headerText = header?.text ?? ''
  return {
    headerKind: header ? (HEADER_KINDS[(header.format ?? 'TEXT').toUpperCase()] ?? 'other') : 'none',
    headerText,
    headerVariables: variablesOf(headerText),
    body,
    bodyVariables: variablesOf(body),
    footer: part('FOOTER')?.text ?? '',
    buttons: (part('BUTTONS')?.buttons ?? []).map(({ type, text, url = '' }, index) => {
      const parameter = BUTTON_PARAMETERS[type] ?? null
      const isRequired = type === 'COPY_CODE' || (type === 'URL' && variablesOf(url).length > 0)
      // A fixed link takes nothing.
      return { index, type, text, parameter: type === 'URL' && !isRequired ? null : parameter, isRequired }
    }),
    unsupported: parts.filter(({ type }) => !PARTS.has(type)).map(({ type }) => type),
  }
}

const BUTTON_PARAMETERS: Readonly<Record<string, TemplateButton['parameter']>> = {
  QUICK_REPLY: 'payload',
  URL: 'url_suffix',
  COPY_CODE: 'code',
}
