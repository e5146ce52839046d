import { ToolError } from '../mcp/tool-error.ts'
import { render, type StoredTemplate, shapeOf, type TemplateButton, type TemplateShape } from './template.ts'

/** What a template is filled with. */
export interface TemplateValues {
  /** By name, or by number for positional ones. */
  readonly parameters: Readonly<Record<string, string>>
  readonly headerParameter?: string | undefined
  /** `link` is absent when Meta gets the file from us and its id is filled in later. */
  readonly headerMedia?: { readonly kind: string; readonly link?: string | undefined } | undefined
  /** By index of the button. */
  readonly buttonParameters: Readonly<Record<string, string>>
}

/**
 * Graph's `template` object, and the text people will read. Catches here what Meta would answer with 132000 to 132016.
 *
 * @throws ToolError
 */
export function fillTemplate(
  template: StoredTemplate,
  values: TemplateValues,
): { payload: Readonly<Record<string, unknown>>; body: string } {
  const shape = shapeOf(template)
  requireUsable(template, shape)
  const named = template.parameterFormat.toUpperCase() === 'NAMED'
  const components = [
    ...headerOf(shape, values, named),
    ...bodyOf(shape, values, named),
    ...shape.buttons.flatMap((button) => buttonOf(button, values.buttonParameters[button.index])),
  ]
  const stray = Object.keys(values.buttonParameters).find((index) => !shape.buttons[Number(index)]?.parameter)
  if (stray !== undefined)
    throw mismatch(`button_parameters has ${stray}, but that button takes nothing.`, shape)
  return {
    payload: {
      name: template.name,
      language: { code: template.language },
      ...(components.length > 0 && { components }),
    },
    body: [
      render(shape.headerText, headerValues(shape, values)),
      render(shape.body, values.parameters),
      shape.footer,
    ]
      .filter((text) => text !== '')
      .join('\n'),
  }
}

function requireUsable(template: StoredTemplate, shape: TemplateShape): void {
  if (template.status !== 'APPROVED') {
    throw new ToolError(`The template is not approved; its status is ${template.status}.`, {
      code: 'template_not_approved',
      category: 'template',
      hint: 'Choose an approved one with list_templates.',
    })
  }
  const odd = shape.headerKind === 'other' ? 'a header of another kind' : shape.unsupported[0]
  if (odd === undefined) return
  throw new ToolError(`The template has ${odd}, which this tool cannot fill.`, {
    code: 'template_unsupported',
    category: 'template',
    hint: 'Choose another template with list_templates.',
  })
}

function headerOf(shape: TemplateShape, { headerParameter, headerMedia }: TemplateValues, named: boolean) {
  const { headerKind, headerVariables } = shape
  const wantsMedia = headerKind === 'image' || headerKind === 'video' || headerKind === 'document'
  if (wantsMedia !== (headerMedia !== undefined) || (headerMedia && headerMedia.kind !== headerKind))
    throw mismatch(
      wantsMedia ? `header_media must be a ${headerKind}.` : 'header_media is not wanted.',
      shape,
    )
  if (headerVariables.length > 0 !== (headerParameter !== undefined))
    throw mismatch(`header_parameter is ${headerParameter === undefined ? 'missing' : 'not wanted'}.`, shape)
  if (headerMedia) {
    const { kind, link } = headerMedia
    return [{ type: 'header', parameters: [{ type: kind, [kind]: link === undefined ? {} : { link } }] }]
  }
  if (headerParameter === undefined) return []
  return [{ type: 'header', parameters: [textParameter(headerVariables[0] ?? '', headerParameter, named)] }]
}

function bodyOf(shape: TemplateShape, { parameters }: TemplateValues, named: boolean) {
  const { bodyVariables } = shape
  const missing = bodyVariables.filter((name) => !parameters[name])
  if (missing.length > 0) throw mismatch(`parameters lacks ${missing.join(', ')}.`, shape)
  const stray = Object.keys(parameters).find((name) => !bodyVariables.includes(name))
  if (stray !== undefined) throw mismatch('parameters has a name the template does not have.', shape)
  if (bodyVariables.length === 0) return []
  // Positional ones are given in the order of their numbers, wherever they stand in the text.
  const order = named ? bodyVariables : bodyVariables.toSorted((a, b) => Number(a) - Number(b))
  return [
    { type: 'body', parameters: order.map((name) => textParameter(name, parameters[name] ?? '', named)) },
  ]
}

function buttonOf({ index, type, parameter, isRequired }: TemplateButton, value: string | undefined) {
  if (value === undefined && isRequired) {
    throw new ToolError(`button_parameters lacks ${index}.`, {
      code: 'template_parameters',
      category: 'template',
      hint: `Button ${index} needs its ${parameter}.`,
    })
  }
  if (value === undefined || parameter === null) return []
  const filled = {
    payload: { type: 'payload', payload: value },
    url_suffix: { type: 'text', text: value },
    code: { type: 'coupon_code', coupon_code: value },
  }[parameter]
  return [{ type: 'button', sub_type: type.toLowerCase(), index: String(index), parameters: [filled] }]
}

function textParameter(name: string, text: string, named: boolean) {
  return { type: 'text', ...(named && { parameter_name: name }), text }
}

function headerValues({ headerVariables }: TemplateShape, { headerParameter }: TemplateValues) {
  return Object.fromEntries(headerVariables.map((name) => [name, headerParameter ?? '']))
}

function mismatch(message: string, shape: TemplateShape): ToolError {
  return new ToolError(message, {
    code: 'template_parameters',
    category: 'template',
    hint: 'Fill exactly what the template has; see data, or list_templates.',
    data: {
      parameters: shape.bodyVariables,
      header: shape.headerVariables.length > 0 ? 'header_parameter' : shape.headerKind,
      buttons: shape.buttons.filter(({ parameter }) => parameter !== null),
    },
  })
}
