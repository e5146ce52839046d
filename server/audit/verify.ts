import type { Database, Transaction } from '../db/pool.ts'
import { readSegments, type Segment } from './archive.ts'
import { GENESIS, type Head, hashOf } from './canonical.ts'
import { type AuditRecord, readRecords } from './record.ts'
import { AuditFault, readSegmentFile } from './segment-file.ts'

export type Verdict =
  | { readonly ok: true; readonly rows: number; readonly segments: number; readonly head: number }
  | { readonly ok: false; readonly fault: string }

/**
 * Walks the whole chain: the archived segments, the rows still in the table, and the head. What pruning took from the table is
 * checked in its files; without `dir`, files are not looked at and the segments' own records stand for them.
 *
 * @returns The first fault, naming the row or the file. The end of the chain cut off together with its head shows only where a
 *   closed segment holds the rows, so keep the files on another machine as well.
 * @throws When the database or the disk cannot be read.
 */
export async function verifyAudit(sql: Database, dir?: string): Promise<Verdict> {
  try {
    const segments = await readSegments(sql)
    checkSequence(segments)
    if (dir !== undefined) await checkFiles(segments, dir)
    // One snapshot, so that rows written or pruned meanwhile do not look like faults.
    const { rows, head } = await sql.begin('isolation level repeatable read read only', (tx) =>
      checkTable(tx, segments),
    )
    return { ok: true, rows, segments: segments.length, head }
  } catch (error) {
    if (error instanceof AuditFault) return { ok: false, fault: error.message }
    throw error
  }
}

function checkSequence(segments: readonly Segment[]): void {
  let last = 0
  for (const { first_id, last_id, file } of segments) {
    if (first_id !== last + 1) {
      throw new AuditFault(
        `segment ${file} begins at row ${first_id}, but ${last + 1} comes next: a segment is missing`,
      )
    }
    last = last_id
  }
}

async function checkFiles(segments: readonly Segment[], dir: string): Promise<void> {
  let end = GENESIS
  for (const segment of segments) {
    for await (const record of readSegmentFile(dir, segment))
      end = follow(end, record, `segment ${segment.file}, `)
    if (end.id !== segment.last_id) {
      throw new AuditFault(`segment ${segment.file} ends at row ${end.id} instead of ${segment.last_id}`)
    }
    if (!end.hash.equals(segment.last_hash)) {
      throw new AuditFault(`segment ${segment.file}: row ${end.id} has another hash than audit_segments says`)
    }
  }
}

async function checkTable(
  sql: Transaction,
  segments: readonly Segment[],
): Promise<{ rows: number; head: number }> {
  const [head] = await sql<Head[]>`select id::float8 as id, hash from audit_head`
  if (head === undefined) throw new AuditFault('audit_head is empty')
  const [range] = await sql<{ first: number | null; last: number | null }[]>`
    select min(id)::float8 as first, max(id)::float8 as last from audit_log`
  let end = startBefore(range?.first ?? head.id + 1, segments)
  const ends = new Map(segments.map(({ last_id, last_hash }) => [last_id, last_hash]))
  let rows = 0
  for await (const page of readRecords(sql, end.id + 1, range?.last ?? 0)) {
    for (const record of page) {
      end = follow(end, record, '')
      rows += 1
      if (ends.get(end.id)?.equals(end.hash) === false) {
        throw new AuditFault(`row ${end.id} has another hash than the segment that was closed with it`)
      }
    }
  }
  const archived = segments.at(-1)?.last_id ?? 0
  if (end.id < archived)
    throw new AuditFault(`rows ${end.id + 1} to ${archived} are missing; a segment holds them`)
  if (end.id !== head.id) throw new AuditFault(`the last row is ${end.id}, but audit_head says ${head.id}`)
  if (!end.hash.equals(head.hash)) throw new AuditFault(`audit_head has another hash than its row ${head.id}`)
  return { rows, head: head.id }
}

/** What the first row of the table has to continue from: pruning takes whole segments, from the beginning. */
function startBefore(first: number, segments: readonly Segment[]): Head {
  if (first === 1) return GENESIS
  const segment = segments.find(({ last_id }) => last_id === first - 1)
  if (segment) return { id: segment.last_id, hash: segment.last_hash }
  throw new AuditFault(
    `the first row is ${first}, and no segment ends at ${first - 1}: rows before it are missing`,
  )
}

function follow(end: Head, record: AuditRecord, where: string): Head {
  const { prev_hash, hash, ...row }: AuditRecord = record
  const id = end.id + 1
  if (row.id !== id) throw new AuditFault(`${where}row ${id} is missing: ${end.id} is followed by ${row.id}`)
  if (prev_hash !== end.hash.toString('hex')) {
    throw new AuditFault(`${where}row ${id} does not continue from row ${end.id}: prev_hash is not its hash`)
  }
  const computed = hashOf(end.hash, row)
  if (hash !== computed.toString('hex'))
    throw new AuditFault(`${where}row ${id} was changed: its hash does not match`)
  return { id, hash: computed }
}
