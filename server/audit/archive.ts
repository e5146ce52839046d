import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { appendAlone } from './append.ts'
import { canonicalJson } from './canonical.ts'
import { toRow } from './entry.ts'
import { readRecords } from './record.ts'

const KEEP = '90 days'

/** A closed stretch of the chain in a file. */
export interface Segment {
  readonly first_id: number
  readonly last_id: number
  readonly last_hash: Buffer
  /** Relative to the directory of the archive. */
  readonly file: string
  /** Of the file as it is, compressed, so that `sha256sum` can check it. */
  readonly sha256: Buffer
  readonly closed_at: Date
}

/** All of them, oldest first. */
export async function readSegments(sql: Database): Promise<Segment[]> {
  return await sql<Segment[]>`
    select first_id::float8 as first_id, last_id::float8 as last_id, last_hash, file, sha256, closed_at
    from audit_segments order by first_id`
}

/**
 * Closes the stretch since the last segment: writes it to `dir/<yyyy>/<mm>/audit-<first>-<last>-<hash>.ndjson.gz` (one
 * record a line, as canonical JSON), notes it in `audit_segments`, and lets rows go that a segment closed 90 days ago holds.
 * The name has the first 8 digits of the last hash, since a database restored from a backup counts on from an older row.
 * A heartbeat is recorded first, so that an hour in which nothing happened can be told from one that is missing.
 *
 * @returns The file, relative to `dir`.
 * @throws When database or disk refuse; then no segment is noted, and the next run writes the same rows.
 */
export async function closeAuditSegment({
  sql,
  dir,
  log,
}: {
  sql: Database
  dir: string
  log: Logger
}): Promise<string> {
  const heartbeat = { action: 'audit.heartbeat', outcome: 'ok', transport: 'system' } as const
  const head = await appendAlone(sql, [toRow(heartbeat, new Date())])
  const [{ last } = { last: 0 }] = await sql<{ last: number }[]>`
    select coalesce(max(last_id), 0)::float8 as last from audit_segments`
  const first = last + 1
  const now = new Date().toISOString()
  const name = `audit-${first}-${head.id}-${head.hash.toString('hex').slice(0, 8)}.ndjson.gz`
  const file = `${now.slice(0, 4)}/${now.slice(5, 7)}/${name}`
  const sha256 = await writeFile(sql, join(dir, file), first, head.id)
  // The table decides between two processes that close at once; a file it does not know is never read.
  await sql`insert into audit_segments (first_id, last_id, last_hash, file, sha256)
    values (${first}, ${head.id}, ${head.hash}, ${file}, ${sha256})`
  const [pruned] = await sql<{ rows: number }[]>`select audit_prune(${KEEP}::text::interval)::float8 as rows`
  log.info({ first, last: head.id, pruned: pruned?.rows }, 'audit_segment_closed')
  return file
}

/** Complete or not at all: the name appears only once every byte is on disk. @returns SHA-256 of the file. */
async function writeFile(sql: Database, path: string, first: number, last: number): Promise<Buffer> {
  const directory = dirname(path)
  await mkdir(directory, { recursive: true, mode: 0o750 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const lines = Readable.from(linesOf(sql, first, last), { objectMode: false })
    await pipeline(
      lines,
      createGzip(),
      createWriteStream(temporary, { flags: 'wx', mode: 0o640, flush: true }),
    )
    await chmod(temporary, 0o640)
    const hash = createHash('sha256')
    await pipeline(createReadStream(temporary), hash)
    await rename(temporary, path)
    await syncDirectory(directory)
    return hash.digest()
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function* linesOf(sql: Database, first: number, last: number): AsyncGenerator<string> {
  for await (const page of readRecords(sql, first, last)) {
    yield page.map((record) => `${canonicalJson(record)}\n`).join('')
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
