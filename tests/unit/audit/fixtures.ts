import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import type { Segment } from '../../../scripts/audit/segment.ts'
import { type AuditRow, canonicalJson, GENESIS, type Head, hashOf } from '../../../server/audit/canonical.ts'

const HOUR = 3_600_000
export const START = Date.parse('2027-01-31T12:00:00.000Z')

/** A directory of its own, removed after the test. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'audit-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

/** A chain, written in segments by the server's own code. */
export class Chain {
  head: Head = GENESIS
  hour = 0
  readonly #start: number
  #pending: string[] = []

  /** @param start time of the first heartbeat */
  constructor(start = START) {
    this.#start = start
  }

  /** Another one that goes on from here. */
  fork(): Chain {
    const other = new Chain(this.#start)
    other.head = this.head
    other.hour = this.hour
    return other
  }

  /** Goes on from here as a database does that came back from a backup, and lets so many hours pass. */
  restore(hours: number): Chain {
    const other = this.fork()
    other.hour += hours
    other.#pending = ['admin.audit.restored']
    return other
  }

  /** Lines of an hour: rows with these details, then a heartbeat. */
  #lines(details: readonly AuditRow['detail'][]): string[] {
    const time = new Date(this.#start + this.hour * HOUR).toISOString()
    this.hour += 1
    const rows = [
      ...this.#pending.splice(0).map((action) => [action, {}] as const),
      ...details.map((detail) => ['tool.call', detail] as const),
      ['audit.heartbeat', {}] as const,
    ]
    return rows.map(([action, detail]) => {
      const absent = { client_id: null, api_key_id: null, tool: null, phone_number_id: null, ip: null }
      const failure = { error_class: null, error_code: null, duration_ms: null }
      const said = { ts: time, request_id: `r${this.hour}`, transport: 'http', action, outcome: 'ok', detail }
      const row: AuditRow = { id: this.head.id + 1, ...absent, ...failure, ...said }
      const hash = hashOf(this.head.hash, row)
      const hashes = { prev_hash: this.head.hash.toString('hex'), hash: hash.toString('hex') }
      this.head = { id: row.id, hash }
      return `${canonicalJson({ ...row, ...hashes })}\n`
    })
  }

  /** Closes an hour as a file in `directory`. */
  close(directory: string, details: readonly AuditRow['detail'][] = [{ n: 1 }, { n: 2 }]): Segment {
    const first = this.head.id + 1
    const text = this.#lines(details).join('')
    return write(directory, first, this.head, text)
  }
}

export function write(directory: string, first: number, { id, hash }: Head, text: string): Segment {
  mkdirSync(directory, { recursive: true })
  const name = `audit-${first}-${id}-${hash.toString('hex').slice(0, 8)}.ndjson.gz`
  writeFileSync(join(directory, name), gzipSync(text))
  return { name, path: join(directory, name), first, last: id }
}

export const textOf = ({ path }: Segment): string => gunzipSync(readFileSync(path)).toString()

/** Puts other lines in place of a segment's. */
export function rewrite(segment: Segment, change: (lines: string[]) => string[]): void {
  const lines = textOf(segment).split('\n').slice(0, -1)
  const changed = change(lines).map((line) => `${line}\n`)
  writeFileSync(segment.path, gzipSync(changed.join('')))
}

/** An Ed25519 key as ssh-keygen makes it, with the file of signers that allows it. */
export function newKey(): { keyFile: string; publicKey: string; signers: string } {
  const directory = temporary()
  const keyFile = join(directory, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', keyFile])
  const publicKey = readFileSync(`${keyFile}.pub`, 'utf8').trim()
  const signers = join(directory, 'signers')
  writeFileSync(signers, `whatsapp-mcp namespaces="whatsapp-mcp-audit" ${publicKey}\n`)
  return { keyFile, publicKey, signers }
}
