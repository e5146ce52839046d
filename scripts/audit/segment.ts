/** One file of the audit archive, read without anything of the server: what is written here is all a reader needs. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** A stretch of the chain in a file of its own, closed once an hour. */
export interface Segment {
  /** `audit-<first>-<last>-<first digits of the last hash>.ndjson.gz` */
  readonly name: string
  readonly path: string
  /** Ids of its first and last row. */
  readonly first: number
  readonly last: number
}

/** What the chain is made of, and what tells the time. */
export interface Row {
  readonly id: number
  /** Hexadecimal, as `hash` is. */
  readonly prev: string
  readonly hash: string
  readonly action: string
  /** Milliseconds since 1970. */
  readonly time: number
}

/** The chain is broken here; the message says how. */
export class ChainFault extends Error {
  override readonly name = 'ChainFault'
}

/** Segments of the first release go without the hash. */
const NAME = /^audit-([1-9]\d{0,14})-([1-9]\d{0,14})(?:-[0-9a-f]{8})?\.ndjson\.gz$/

/** @returns ids of the first and last row, or `undefined` when no segment has such a name */
export function parseSegmentName(name: string): { first: number; last: number } | undefined {
  const [, first, last] = NAME.exec(name) ?? []
  const ids = { first: Number(first), last: Number(last) }
  return ids.first <= ids.last ? ids : undefined
}

/** Oldest first; of two that begin with the same row, the shorter one. */
export const bySequence = (a: Segment, b: Segment): number =>
  a.first - b.first || a.last - b.last || (a.name < b.name ? -1 : 1)

/**
 * The rows of a segment, each found to be what its hash says.
 * @throws ChainFault at the first row that is not, and when the file is not gzipped lines of JSON
 */
export async function* readSegment(segment: Segment): AsyncGenerator<Row> {
  let id = segment.first
  try {
    for await (const line of linesOf(open(segment.path))) {
      yield readRow(line, segment.name, id)
      id += 1
    }
  } catch (error) {
    // The library's own message would be of no use here.
    if (!(error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw error
    throw new ChainFault(`${segment.name} is not gzipped or not complete`)
  }
  if (id !== segment.last + 1)
    throw new ChainFault(`${segment.name} ends at row ${id - 1} instead of ${segment.last}`)
}

/** Either stream's error ends the reading. */
function open(path: string): AsyncIterable<Buffer> {
  return pipeline(createReadStream(path), createGunzip(), () => undefined)
}

async function* linesOf(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of source) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

/**
 * A line is the row as canonical JSON, with two members more: `hash` and `prev_hash`. Both come after `detail` in the
 * order of the alphabet, and behind it every quote inside a value is escaped. So the last places that look like them
 * are them, and what is left without them is byte for byte what was hashed.
 */
const MEMBERS = /^(.*),"hash":"([0-9a-f]{64})"(.*),"prev_hash":"([0-9a-f]{64})"(.*)$/s

function readRow(line: string, name: string, id: number): Row {
  const [, before, hash, between, prev, after] = MEMBERS.exec(line) ?? []
  const row = before === undefined ? undefined : parse(line)
  if (row === undefined || hash === undefined || prev === undefined)
    throw new ChainFault(`${name}: the line for row ${id} is no record`)
  if (row.id !== id) throw new ChainFault(`${name}: row ${id} is missing; row ${row.id} is in its place`)
  const computed = createHash('sha256')
    .update(Buffer.from(prev, 'hex'))
    .update(`${before}${between}${after}`)
    .digest('hex')
  if (computed !== hash) throw new ChainFault(`${name}: row ${id} was changed: its hash does not match`)
  return { ...row, prev, hash }
}

function parse(line: string): Pick<Row, 'id' | 'action' | 'time'> | undefined {
  let record: { id?: unknown; action?: unknown; ts?: unknown }
  try {
    record = JSON.parse(line)
  } catch {
    return undefined
  }
  const { id, action, ts } = record
  const time = typeof ts === 'string' ? Date.parse(ts) : Number.NaN
  if (typeof id !== 'number' || typeof action !== 'string' || Number.isNaN(time)) return undefined
  return { id, action, time }
}
