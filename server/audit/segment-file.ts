import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Segment } from './archive.ts'
import type { AuditRecord } from './record.ts'

/** The chain is broken; the message says where. */
export class AuditFault extends Error {
  override readonly name = 'AuditFault'
}

/** The records of an archived segment, after its file was found to be the one that was written. @throws AuditFault */
export async function* readSegmentFile(dir: string, segment: Segment): AsyncGenerator<AuditRecord> {
  const path = join(dir, segment.file)
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path), hash)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new AuditFault(`segment ${segment.file} is missing in ${dir}`)
  }
  if (!hash.digest().equals(segment.sha256)) {
    throw new AuditFault(`segment ${segment.file} was changed: its SHA-256 is not the one in audit_segments`)
  }
  try {
    yield* parseLines(createReadStream(path).pipe(createGunzip()))
  } catch (error) {
    // Neither message would be of use here, and the parser's quotes what it read.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code?.startsWith('Z_')) {
      throw new AuditFault(`segment ${segment.file} is not gzipped NDJSON`)
    }
    throw error
  }
}

async function* parseLines(source: AsyncIterable<Buffer>): AsyncGenerator<AuditRecord> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of source) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield parseRecord(line)
  }
  if (rest !== '') throw new SyntaxError('the last line has no end')
}

/** Only an object at all: whether it is a record of ours, its hash tells better than any schema. */
function parseRecord(line: string): AuditRecord {
  const record: unknown = JSON.parse(line)
  if (typeof record !== 'object' || record === null) throw new SyntaxError('a line is no object')
  return record as AuditRecord
}
