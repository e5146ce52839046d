import { GraphFailure, refuseUnless } from './failure.ts'
import { type Json, object, objects, text } from './json.ts'

/** A template of a business account, as Graph lists it. */
export interface FakeTemplate {
  readonly id: string
  readonly wabaId: string
  readonly name: string
  readonly language: string
  readonly category: string
  status: string
  readonly parameter_format: string
  readonly components: readonly Json[]
}

/** Refuses a template message whose template or parameters do not fit what is stored. */
export function checkTemplateMessage(template: Json, stored: readonly FakeTemplate[]): void {
  const name = text(template.name, 'template.name', 512)
  const code = text(object(template.language, 'template.language').code, 'template.language.code', 20)
  const found = stored.find((one) => one.name === name && one.language === code)
  refuseUnless(
    found && !['PENDING', 'REJECTED', 'DELETED'].includes(found.status),
    132001,
    `template ${name} does not exist in ${code}`,
  )
  refuseUnless(found.status !== 'PAUSED', 132015, 'the template is paused')
  refuseUnless(found.status !== 'DISABLED', 132016, 'the template is disabled')
  const given = template.components === undefined ? [] : objects(template.components, 'components', 0, 20)
  for (const type of ['HEADER', 'BODY'] as const) {
    const parameters = parametersOf(given.find((one) => String(one.type).toUpperCase() === type))
    const wanted = found.components.find((one) => String(one.type).toUpperCase() === type)
    checkParameters(type, wanted, parameters, found.parameter_format === 'NAMED')
  }
  checkButtons(found, given)
}

function parametersOf(component: Json | undefined): readonly Json[] {
  return component?.parameters === undefined ? [] : objects(component.parameters, 'parameters', 0, 100)
}

function checkParameters(
  type: string,
  wanted: Json | undefined,
  given: readonly Json[],
  named: boolean,
): void {
  const format = String(wanted?.format ?? 'TEXT').toLowerCase()
  if (type === 'HEADER' && wanted && format !== 'text') {
    refuseUnless(given.length === 1, 132000, `the header needs one ${format}`)
    refuseUnless(given[0]?.type === format && given[0][format], 132012, `the header must be a ${format}`)
    return
  }
  const variables = variablesOf(String(wanted?.text ?? ''))
  refuseUnless(
    given.length === variables.length,
    132000,
    `${type} has ${variables.length} variables, got ${given.length} parameters`,
  )
  for (const parameter of given) {
    refuseUnless(parameter.type === 'text', 132012, `${type} parameters must be text`)
    text(parameter.text, `${type} parameter`, 1024)
    if (named)
      refuseUnless(
        variables.includes(String(parameter.parameter_name)),
        132000,
        `${type} has no variable ${parameter.parameter_name}`,
      )
  }
}

/** Buttons with a variable in their link need its value. */
function checkButtons(found: FakeTemplate, given: readonly Json[]): void {
  const buttons = (found.components.find((one) => one.type === 'BUTTONS')?.buttons ?? []) as readonly Json[]
  buttons.forEach((button, index) => {
    const filled = given.find((one) => one.type === 'button' && String(one.index) === String(index))
    if (filled) refuseUnless(parametersOf(filled).length === 1, 132000, `button ${index} takes one parameter`)
    else if (variablesOf(String(button.url ?? '')).length > 0)
      throw new GraphFailure(132000, `button ${index} needs a parameter`)
  })
}

export function variablesOf(pattern: string): string[] {
  return [...new Set([...pattern.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, name]) => name ?? ''))]
}

/** Takes a new template in for review. */
export function parseTemplate(body: Json, wabaId: string): Omit<FakeTemplate, 'id'> {
  const name = text(body.name, 'name', 512)
  refuseUnless(/^[a-z0-9_]+$/.test(name), 100, 'name must be lower case letters, digits and underscores')
  const category = text(body.category, 'category', 30)
  refuseUnless(['MARKETING', 'UTILITY', 'AUTHENTICATION'].includes(category), 100, 'category is not known')
  const components = objects(body.components, 'components', 1, 10)
  const main = components.find((one) => one.type === 'BODY')
  refuseUnless(main, 100, 'a BODY is needed')
  const pattern = category === 'AUTHENTICATION' ? '' : text(main.text, 'body', 1024)
  refuseUnless(!/^\s*\{\{|\}\}\s*$/.test(pattern), 2388299, 'a variable must not be first or last')
  refuseUnless(variablesOf(pattern).length === 0 || main.example, 100, 'variables need samples')
  return {
    wabaId,
    name,
    language: text(body.language, 'language', 20),
    category,
    status: 'PENDING',
    parameter_format: body.parameter_format === undefined ? 'POSITIONAL' : String(body.parameter_format),
    components,
  }
}
