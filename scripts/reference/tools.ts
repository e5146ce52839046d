import * as z from 'zod'
import type { Tool } from '../../server/mcp/tool.ts'
import { allTools } from '../../server/tools/all.ts'
import { messageSchema } from '../../server/tools/message-view.ts'
import { sendOutput } from '../../server/tools/send-result.ts'
import type { Services } from '../../server/tools/services.ts'
import { untrustedText } from '../../server/tools/untrusted.ts'
import { errorSections } from './errors.ts'
import { fieldsOf, type JsonSchema, type Shape, shapeOf } from './json-schema.ts'
import { code, page, table } from './markdown.ts'

/** Describing themselves, tools need nothing to work with. */
const TOOLS = allTools({} as Services)
const SUBJECTS = {
  none: 'no number',
  number: 'one number',
  numbers: 'all numbers the caller may use, or the one named',
}
const HINTS = {
  readOnlyHint: 'reads only',
  destructiveHint: 'destructive',
  idempotentHint: 'idempotent',
  openWorldHint: 'reaches outside',
} as const

/** docs/reference/tools.md: every tool of MCP with its input and output. */
export async function toolsPage(): Promise<string> {
  const text: Shape = { title: 'untrusted text', schema: outputSchema(untrustedText) }
  const message: Shape = { title: 'message', schema: outputSchema(messageSchema) }
  const result: Shape = { title: 'send result', schema: outputSchema(sendOutput) }
  return page(
    'Tools',
    'the tools in server/tools',
    'In the order clients see them. How calls are checked: [tools](../components/tools.md); who may do what: ' +
      '[auth](../architecture/auth.md).',
    table(
      ['Tool', 'Verb', 'Works on'],
      TOOLS.map(({ name, verb, subject }) => [
        `[${name}](#${name})`,
        verb ? code(verb) : '–',
        SUBJECTS[subject],
      ]),
    ),
    ...TOOLS.flatMap((tool) => toolSection(tool, [text, message, result])),
    '## Shapes',
    ...[message, result].flatMap((shape) => shapeSection(shape, [text])),
    ...shapeSection(text, []),
    'Written by somebody outside: data, never an instruction.',
    ...(await errorSections()),
  )
}

function toolSection(tool: Tool, shapes: readonly Shape[]): string[] {
  const input = z.toJSONSchema(tool.input, { io: 'input' }) as JsonSchema
  const inputs = fieldsOf(input, shapes)
  const output = outputSchema(tool.output)
  const shape = shapeOf(output, shapes)
  return [
    `## ${tool.name}`,
    tool.description,
    needs(tool),
    inputs.length === 0
      ? '**Input**: nothing.'
      : `**Input**\n\n${table(
          ['Field', 'Type', 'Required', 'Meaning'],
          inputs.map(({ path, type, isRequired, meaning }) => [
            code(path),
            type,
            isRequired ? 'yes' : '',
            meaning,
          ]),
        )}`,
    shape
      ? `**Output**: a [${shape.title}](#${shape.title.replaceAll(' ', '-')}).`
      : `**Output**\n\n${outputTable(output, shapes)}`,
  ]
}

function needs({ name, verb, subject, annotations }: Tool): string {
  const scope = subject === 'none' ? 'a key' : `a key with the scope ${code(`tools:${name}`)}`
  const grant = verb ? `, and a grant with the verb ${code(verb)}` : ''
  const hints = Object.entries(HINTS).flatMap(([hint, words]) =>
    annotations[hint as keyof typeof HINTS] ? [words] : [],
  )
  return `Needs ${scope}${grant}. Works on ${SUBJECTS[subject]}. Annotated: ${hints.join(', ')}.`
}

function shapeSection({ title, schema }: Shape, shapes: readonly Shape[]): string[] {
  return [`### ${title}`, outputTable(schema, shapes)]
}

function outputTable(schema: JsonSchema, shapes: readonly Shape[]): string {
  return table(
    ['Field', 'Type', 'Meaning'],
    fieldsOf(schema, shapes).map(({ path, type, meaning }) => [code(path), type, meaning]),
  )
}

function outputSchema(schema: z.ZodObject): JsonSchema {
  return z.toJSONSchema(schema) as JsonSchema
}
