import { describe, expect, test } from 'vitest'
import { ToolError } from '../../../server/mcp/tool-error.ts'
import { fillTemplate, type TemplateValues } from '../../../server/outbound/fill-template.ts'
import { composeTemplate, type NewTemplate } from '../../../server/outbound/new-template.ts'
import { type StoredTemplate, shapeOf, variablesOf } from '../../../server/outbound/template.ts'
import { checkTemplateMessage, parseTemplate } from '../../fakes/graph/templates.ts'

const positional: StoredTemplate = {
  name: 'order_update',
  language: 'en_US',
  category: 'UTILITY',
  status: 'APPROVED',
  parameterFormat: 'POSITIONAL',
  components: [
    { type: 'HEADER', format: 'TEXT', text: 'Order {{1}}' },
    { type: 'BODY', text: 'It arrives on {{2}}, dear {{1}}.' },
    { type: 'FOOTER', text: 'The shop' },
    {
      type: 'BUTTONS',
      buttons: [
        { type: 'QUICK_REPLY', text: 'Stop' },
        { type: 'URL', text: 'Track', url: 'https://example.org/{{1}}' },
        { type: 'URL', text: 'Shop', url: 'https://example.org/' },
      ],
    },
  ],
}
const named: StoredTemplate = {
  ...positional,
  parameterFormat: 'NAMED',
  components: [
    { type: 'HEADER', format: 'IMAGE' },
    { type: 'BODY', text: 'Hello {{first_name}}, your code is {{code}}.' },
  ],
}
const fine = {
  parameters: { 1: 'Ana', 2: 'Monday' },
  headerParameter: '77',
  buttonParameters: { 0: 'STOP', 1: 'abc' },
}

function refusalOf(template: StoredTemplate, values: Partial<TemplateValues>): ToolError {
  try {
    fillTemplate(template, { parameters: {}, buttonParameters: {}, ...values })
  } catch (error) {
    if (error instanceof ToolError) return error
  }
  throw new Error('nothing was refused')
}

test('variables are found once each, in order', () => {
  expect(variablesOf('{{2}} and {{ 1 }} and {{2}}')).toEqual(['2', '1'])
  expect(variablesOf('none')).toEqual([])
})

test('a template is filled as Meta wants it, and can be read', () => {
  const { payload, body } = fillTemplate(positional, fine)
  expect(payload.components).toEqual([
    { type: 'header', parameters: [{ type: 'text', text: '77' }] },
    {
      type: 'body',
      parameters: [
        { type: 'text', text: 'Ana' },
        { type: 'text', text: 'Monday' },
      ],
    },
    {
      type: 'button',
      sub_type: 'quick_reply',
      index: '0',
      parameters: [{ type: 'payload', payload: 'STOP' }],
    },
    { type: 'button', sub_type: 'url', index: '1', parameters: [{ type: 'text', text: 'abc' }] },
  ])
  expect(body).toBe('Order 77\nIt arrives on Monday, dear Ana.\nThe shop')
})

test('named parameters carry their names, and the file is the header', () => {
  const { payload } = fillTemplate(named, {
    parameters: { first_name: 'Ana', code: '1' },
    headerMedia: { kind: 'image', link: 'https://example.org/a.png' },
    buttonParameters: {},
  })
  expect(payload.components).toEqual([
    { type: 'header', parameters: [{ type: 'image', image: { link: 'https://example.org/a.png' } }] },
    {
      type: 'body',
      parameters: [
        { type: 'text', parameter_name: 'first_name', text: 'Ana' },
        { type: 'text', parameter_name: 'code', text: '1' },
      ],
    },
  ])
  const stored = {
    ...named,
    id: '1',
    wabaId: '1',
    parameter_format: 'NAMED',
    components: named.components as [],
  }
  expect(() => checkTemplateMessage(payload, [stored])).not.toThrow()
})

test.each([
  ['a missing parameter', positional, { ...fine, parameters: { 1: 'Ana' } }, 'lacks 2'],
  ['one too many', positional, { ...fine, parameters: { ...fine.parameters, 3: 'x' } }, 'does not have'],
  ['a missing header', positional, { ...fine, headerParameter: undefined }, 'header_parameter is missing'],
  ['a header nobody wants', named, { ...fine, headerParameter: '1' }, 'header_media must be'],
  ['a file of another kind', named, { headerMedia: { kind: 'video' } }, 'must be a image'],
  ['a file nobody wants', positional, { ...fine, headerMedia: { kind: 'image' } }, 'not wanted'],
  ['a missing end of a link', positional, { ...fine, buttonParameters: {} }, 'lacks 1'],
  [
    'a fixed link with an end',
    positional,
    { ...fine, buttonParameters: { 1: 'a', 2: 'b' } },
    'takes nothing',
  ],
  [
    'a button that is not there',
    positional,
    { ...fine, buttonParameters: { 1: 'a', 7: 'b' } },
    'takes nothing',
  ],
])('%s is caught before Meta sees it', (_, template, values, message) => {
  expect(refusalOf(template, values)).toMatchObject({ category: 'template', code: 'template_parameters' })
  expect(refusalOf(template, values).message).toContain(message)
})

test('a template that cannot be sent says why', () => {
  expect(refusalOf({ ...positional, status: 'PAUSED' }, fine)).toMatchObject({
    code: 'template_not_approved',
  })
  const carousel = { ...positional, components: [{ type: 'BODY', text: 'x' }, { type: 'CAROUSEL' }] }
  expect(refusalOf(carousel, {})).toMatchObject({ code: 'template_unsupported' })
  const place = { ...positional, components: [{ type: 'HEADER', format: 'LOCATION' }] }
  expect(refusalOf(place, {})).toMatchObject({ code: 'template_unsupported' })
})

test('components nobody can read are an empty template', () => {
  expect(shapeOf({ components: 'nonsense' })).toMatchObject({ body: '', bodyVariables: [], buttons: [] })
})

describe('a new template', () => {
  const template: NewTemplate = {
    name: 'order_ready',
    category: 'UTILITY',
    language: 'en_US',
    header: 'News',
    body: 'Hello {{1}}, order {{2}} is ready.',
    footer: 'The shop',
    buttons: [
      { type: 'quick_reply', text: 'Stop' },
      { type: 'url', text: 'Shop', url: 'https://example.org' },
    ],
    examples: { 1: 'Ana', 2: '77' },
  }

  test('is one Meta takes, with its samples in order', () => {
    const composed = composeTemplate(template)
    expect(parseTemplate(composed, '1')).toMatchObject({
      name: 'order_ready',
      parameter_format: 'POSITIONAL',
    })
    expect(composed.components).toContainEqual(
      expect.objectContaining({ type: 'BODY', example: { body_text: [['Ana', '77']] } }),
    )
  })

  test('may have names for its variables', () => {
    const composed = composeTemplate({
      ...template,
      body: 'Hello {{first_name}}!',
      examples: { first_name: 'Ana' },
    })
    expect(composed).toMatchObject({ parameter_format: 'NAMED' })
    expect(composed.components).toContainEqual(
      expect.objectContaining({
        example: { body_text_named_params: [{ param_name: 'first_name', example: 'Ana' }] },
      }),
    )
  })

  test.each([
    ['a variable first', { body: '{{1}} is ready, {{2}} too.' }, 'begin or end'],
    ['a variable last', { body: 'Ready: {{1}} and {{2}}' }, 'begin or end'],
    ['variables side by side', { body: 'A {{1}} {{2}} b.' }, 'words between'],
    ['a gap in the numbers', { body: 'A {{1}} b {{3}} c.', examples: { 1: 'a', 3: 'c' } }, 'without a gap'],
    ['numbers and names', { body: 'A {{1}} b {{x}} c.', examples: { 1: 'a', x: 'c' } }, 'all be numbers'],
    ['a missing sample', { examples: { 1: 'Ana' } }, 'examples lacks 2'],
    ['a sample too many', { examples: { 1: 'a', 2: 'b', 3: 'c' } }, 'does not have'],
    ['a variable in the header', { header: 'For {{1}}' }, 'header must'],
    ['a variable in the footer', { footer: 'For {{1}}' }, 'footer must'],
    [
      'equal buttons',
      {
        buttons: [
          { type: 'quick_reply', text: 'A' },
          { type: 'quick_reply', text: 'A' },
        ],
      },
      'different',
    ],
    [
      'a variable in a link',
      { buttons: [{ type: 'url', text: 'A', url: 'https://example.org/{{1}}' }] },
      'url must',
    ],
    ['a capital letter', { body: 'A {{Name}} b.', examples: { Name: 'a' } }, 'lower case'],
  ] as const)('with %s is refused here', (_, change, problem) => {
    expect(() => composeTemplate({ ...template, ...change })).toThrow(problem)
  })
})
