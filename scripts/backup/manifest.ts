import { createHmac, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import type { Secret } from '../../secrets/secret.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits')
const count = z.int().min(0)

const figuresSchema = z.strictObject({
  name: z.string(),
  /** as Postgres says it, such as `18.1` */
  server_version: z.string(),
  /** the newest migration */
  migration: z.string(),
  /** by name; `newest` is the latest moment in the table's own time column, `hash` stands for all rows in any order */
  tables: z.array(
    z.strictObject({ name: z.string(), rows: count, newest: z.string().nullable(), hash: z.string() }),
  ),
})

const bodySchema = z.strictObject({
  version: z.literal(1, 'made by another version of this project; use that version'),
  name: z.string().regex(/^\d{8}T\d{6}Z$/, 'a UTC time such as 20261121T074605Z'),
  created: z.iso.datetime(),
  /** the commit this host was on, or `unknown` */
  commit: z.string(),
  host: z.string(),
  /** how long it took to make */
  seconds: z.number().min(0),
  database: figuresSchema,
  files: z.array(
    z.strictObject({ name: z.string().regex(/^[a-z][a-z.]*$/, 'a plain file name'), bytes: count, sha256 }),
  ),
  /** by service of the stack, as the compose file names them */
  images: z.record(z.string(), z.string()),
  /** what the database says is stored */
  media: z.strictObject({ files: count, bytes: count }),
})

const manifestSchema = bodySchema.extend({ mac: sha256 })

/** What a database holds, comparable wherever it was restored to. */
export type Figures = z.infer<typeof figuresSchema>
export type ManifestBody = z.infer<typeof bodySchema>

/**
 * What a set must hold. Nothing in it is secret, and it is not encrypted; the mac proves that this project wrote it, since
 * anybody may encrypt to a public recipient.
 */
export type Manifest = z.infer<typeof manifestSchema>

/** Of all tables together. */
export function rowsOf({ database }: Pick<Manifest, 'database'>): number {
  return database.tables.reduce((sum, { rows }) => sum + rows, 0)
}

/** @param key the secret `backup_signing_key` */
export function signManifest(body: ManifestBody, key: Secret): Manifest {
  return { ...body, mac: macOf(body, key) }
}

/** The text of `manifest.json`. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/**
 * Reads a manifest and proves where it comes from.
 * @param key the secret `backup_signing_key`
 * @throws Error when it is no JSON, lacks or has other fields, or its mac was made with another key or for another text
 */
export function readManifest(text: string, key: Secret): Manifest {
  const parsed = manifestSchema.safeParse(parseJson(text))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Error(`The manifest is damaged: ${issue?.path.join('.') || 'it'}: ${issue?.message}.`)
  }
  const { mac, ...body } = parsed.data
  if (!timingSafeEqual(Buffer.from(mac, 'hex'), Buffer.from(macOf(body, key), 'hex'))) {
    throw new Error(
      'The manifest was not signed with the backup_signing_key of these secrets: it was altered, or is of another installation.',
    )
  }
  return parsed.data
}

/**
 * What a restored database has otherwise than its manifest says, a sentence each; `[]` when they are equal. The name of
 * the database and the version of Postgres may differ.
 */
export function differences(expected: Figures, found: Figures): string[] {
  const said: string[] = []
  if (expected.migration !== found.migration)
    said.push(`The schema is at ${found.migration}, not at ${expected.migration}.`)
  const there = new Map(found.tables.map((table) => [table.name, table]))
  for (const table of expected.tables) {
    const other = there.get(table.name)
    there.delete(table.name)
    if (other === undefined) said.push(`${table.name} is missing.`)
    else if (other.rows !== table.rows)
      said.push(`${table.name} has ${other.rows} rows instead of ${table.rows}.`)
    else if (other.newest !== table.newest)
      said.push(`The newest row of ${table.name} is of ${other.newest} instead of ${table.newest}.`)
    else if (other.hash !== table.hash) said.push(`${table.name} has rows with other contents.`)
  }
  return [...said, ...[...there.keys()].map((name) => `${name} is not in the manifest.`)]
}

function macOf(body: ManifestBody, key: Secret): string {
  return createHmac('sha256', key.reveal()).update(canonical(body)).digest('hex')
}

/** JSON with sorted keys, so that the mac depends on the contents alone. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, it: unknown) =>
    typeof it === 'object' && it !== null && !Array.isArray(it)
      ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1)))
      : it,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('The manifest is damaged: it is not JSON.')
  }
}
