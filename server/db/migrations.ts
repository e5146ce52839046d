import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

/** One step of the schema's history. It is never edited once released: a later file corrects it. */
export interface Migration {
  /** `0001_tenancy` */
  readonly name: string
  readonly sql: string
  /** SHA-256 of the text, in hex; tells whether history was changed. */
  readonly checksum: string
}

const FILE = /^(\d{4}_[a-z0-9_]+)\.sql$/

/** Set by the bundler, so that the one-file server carries its migrations; from the sources they are read here. */
declare const BUNDLED_MIGRATIONS: readonly Migration[]

/** Reads `NNNN_name.sql` from a folder, in order. @throws Error on any other file or a gap in the numbers. */
export function readMigrations(folder: URL): Migration[] {
  return readdirSync(folder)
    .sort()
    .map((file, index) => {
      const name = FILE.exec(file)?.[1]
      if (name === undefined || Number(name.slice(0, 4)) !== index + 1) {
        throw new Error(`server/db/sql/${file} breaks the sequence: expected number ${index + 1}`)
      }
      const sql = readFileSync(new URL(file, folder), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
}

/** The whole history, oldest first. */
export const MIGRATIONS: readonly Migration[] =
  typeof BUNDLED_MIGRATIONS === 'undefined'
    ? readMigrations(new URL('sql/', import.meta.url))
    : BUNDLED_MIGRATIONS

/** Name of the newest migration: the schema this server works with. */
export const SCHEMA = MIGRATIONS.at(-1)?.name ?? ''
