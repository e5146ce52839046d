import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod'
import { FAMILIES, SECRET_NAMES, SECRETS } from '../../secrets/schema.ts'
import { SETTINGS } from '../../server/config/env.ts'
import { code, page, table } from './markdown.ts'

const COMPOSE = 'docker-compose.prod.yml'
const composeSchema = z.object({ services: z.record(z.string(), z.unknown()) })
const VARIABLE = /\$\{(\w+)(?::?([-?])([^}]*))?\}/g

/** docs/reference/env.md: settings and secrets, as the code reads them. */
export async function envPage(): Promise<string> {
  return page(
    'Settings and secrets',
    'server/config/env.ts, secrets/schema.ts and docker-compose.prod.yml',
    '## Environment of the server',
    'Everything wrong with it is reported at once, and the server does not start. An empty variable counts as unset.',
    table(
      ['Variable', 'Default', 'Meaning'],
      Object.entries(SETTINGS).map(([name, schema]) => [
        code(name),
        defaultOf(schema),
        schema.description ?? '',
      ]),
    ),
    '## Secrets',
    'Each is a file of that name in `SECRETS_DIR` (default `/run/secrets`), decrypted from `secrets/secrets.enc.yaml` at boot. Its ' +
      'variable may name another file, `secrets://name`, or hold the value, which is meant for development. `secrets.ts init` makes some ' +
      'and asks you for the others; how they are kept: [secrets](../operations/secrets.md).',
    table(
      ['Secret', 'Variable', 'Read by', 'Where from', 'Meaning'],
      SECRET_NAMES.map((name) => secretRow(name, SECRETS[name])),
    ),
    'And as many as needed of these, referred to by their whole name (`secrets://wa_access_token_shop`):',
    table(
      ['Secret', 'Where from', 'Meaning'],
      Object.entries(FAMILIES).map(([start, { title, source }]) => [
        code(`${start}<name>`),
        origin(source),
        title,
      ]),
    ),
    '## Environment of the stack',
    'For `docker-compose.prod.yml`, from `/etc/whatsapp-mcp/stack.env`. Empty values leave the default of the server.',
    table(['Variable', 'Default', 'Sets'], await stackRows()),
  )
}

/** What the schema makes of nothing: a default, nothing, or a refusal. */
function defaultOf(schema: z.ZodType): string {
  const parsed = schema.safeParse(undefined)
  if (!parsed.success) return 'required'
  return parsed.data === undefined ? '–' : code(String(parsed.data).replace(/\/$/, ''))
}

function secretRow(name: string, spec: (typeof SECRETS)[keyof typeof SECRETS]): string[] {
  const { title, consumers, env, source, optional } = spec
  return [
    code(name),
    env ? code(env) : '',
    consumers.map(code).join(', '),
    `${origin(source)}${optional ? ', optional' : ''}`,
    title,
  ]
}

function origin(source: 'ask' | { readonly generate: number }): string {
  return source === 'ask' ? 'you' : 'made'
}

async function stackRows(): Promise<string[][]> {
  const text = await readFile(join(import.meta.dirname, '../..', COMPOSE), 'utf8')
  const { services } = composeSchema.parse(parse(text, { merge: true }))
  const found = Object.entries(services).flatMap(([service, definition]) => variablesOf(definition, service))
  return [...Map.groupBy(found, ({ name }) => name)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, uses]) => [
      code(name),
      uses[0]?.fallback ?? '',
      [...new Set(uses.map(({ place }) => code(place)))].join(', '),
    ])
}

interface Use {
  readonly name: string
  readonly fallback: string
  readonly place: string
}

function variablesOf(value: unknown, place: string): Use[] {
  if (typeof value === 'string')
    return [...value.matchAll(VARIABLE)].map(([, name = '', kind, fallback = '']) => ({
      name,
      fallback: kind === '?' ? 'required' : fallback ? code(fallback) : '–',
      place,
    }))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    variablesOf(inner, Array.isArray(value) ? place : `${place}.${key}`),
  )
}
