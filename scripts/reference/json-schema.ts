import { code } from './markdown.ts'

/** The part of JSON Schema that zod writes. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly format?: string
  readonly description?: string
  readonly default?: unknown
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
}

/** A schema that is described once and linked to from wherever it occurs. */
export interface Shape {
  readonly title: string
  readonly schema: JsonSchema
}

export interface Field {
  /** `numbers[].label` */
  readonly path: string
  readonly type: string
  readonly isRequired: boolean
  readonly meaning: string
}

/** Every field of an object with those inside it, but not inside a shape. */
export function fieldsOf(schema: JsonSchema, shapes: readonly Shape[], prefix = ''): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const path = prefix + name
    const field = {
      path,
      type: typeOf(property, shapes),
      isRequired: schema.required?.includes(name) ?? false,
      meaning: meaningOf(property),
    }
    return [field, ...inside(property, shapes, path)]
  })
}

/** The named shape that a schema is, so that it is described once. */
export function shapeOf(schema: JsonSchema, shapes: readonly Shape[]): Shape | undefined {
  return shapes.find((shape) => bare(shape.schema) === bare(schema))
}

function inside(schema: JsonSchema, shapes: readonly Shape[], path: string): Field[] {
  if (shapeOf(schema, shapes)) return []
  if (schema.properties) return fieldsOf(schema, shapes, `${path}.`)
  if (schema.items) return inside(schema.items, shapes, `${path}[]`)
  const found = (schema.anyOf ?? schema.oneOf ?? []).flatMap((one) => inside(one, shapes, path))
  return [...new Map(found.map((field) => [field.path, field])).values()]
}

function typeOf(schema: JsonSchema, shapes: readonly Shape[]): string {
  const shape = shapeOf(schema, shapes)
  if (shape) return `[${shape.title}](#${shape.title.replaceAll(' ', '-')})`
  if (schema.const !== undefined) return code(JSON.stringify(schema.const).replaceAll('"', ''))
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ')
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return [...new Set(choices.map((one) => typeOf(one, shapes)))].join(' or ')
  if (schema.items) return `list of ${typeOf(schema.items, shapes)}`
  if (typeof schema.additionalProperties === 'object')
    return `${typeOf(schema.additionalProperties, shapes)} by name`
  if (schema.format === 'uuid') return 'UUID'
  return typeof schema.type === 'string' ? schema.type : (schema.type ?? ['anything']).join(' or ')
}

/** The description, and of the rest what it leaves unsaid. */
function meaningOf(schema: JsonSchema): string {
  const description = schema.description?.replace(/\.$/, '') ?? ''
  const bounds = limits(schema)
  const isSaid = description.toLowerCase().includes(bounds.toLowerCase())
  return [description, isSaid ? '' : bounds, defaultOf(schema)].filter(Boolean).join('. ')
}

/** What zod says of every integer. */
const WIDEST = Number.MAX_SAFE_INTEGER

function limits(schema: JsonSchema): string {
  const { minLength, maxLength, minimum, maximum, minItems, maxItems } = schema
  const isOwn = (bound: number | undefined) => (Math.abs(bound ?? WIDEST) < WIDEST ? bound : undefined)
  return [
    range(minLength === 1 ? undefined : minLength, maxLength, ' characters'),
    range(isOwn(minimum), isOwn(maximum), ''),
    range(minItems, maxItems, ' items'),
  ]
    .filter(Boolean)
    .join(', ')
}

function range(from: number | undefined, to: number | undefined, unit: string): string {
  if (to === undefined) return from === undefined ? '' : `At least ${from}${unit}`
  return from === undefined ? `At most ${to}${unit}` : `${from} to ${to}${unit}`
}

function defaultOf({ default: value }: JsonSchema): string {
  return value === undefined
    ? ''
    : `Default ${code(typeof value === 'string' ? value : JSON.stringify(value))}`
}

/** Without what a schema says about the place where it stands. */
function bare({ description: _, default: __, ...rest }: JsonSchema & { $schema?: string }): string {
  const { $schema: ___, ...schema } = rest
  return JSON.stringify(schema)
}
