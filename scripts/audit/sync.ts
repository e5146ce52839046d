import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { Fail } from '../lib/fail.ts'
import { type Walk, walk } from './chain.ts'
import { type Head, headName, headText } from './head.ts'
import type { LocalSegment } from './local.ts'
import { type Holdings, OtherFile, type RemoteArchive } from './remote.ts'

const NEXT = 'see docs/operations/audit-archive.md, Decide'

/** What the far side found, which read every row. */
export interface Verdict {
  readonly segments: number
  readonly rows: number
  readonly restores: number
  readonly pauses: number
  /** Newest heartbeat and how long ago it was. */
  readonly newest: string | undefined
  readonly age_seconds: number | undefined
}

export interface SyncResult {
  /** Segments that went over in this run. */
  readonly sent: number
  /** Absent while there is no segment at all. */
  readonly archive?: Verdict
}

/**
 * Sends what the far side lacks, signs the end of the chain, and lets the far side check everything.
 * @param o.segments this host's, oldest first
 * @throws Fail when the two sides do not agree, or the far side finds a fault; what differs is never sent again
 */
export async function syncAudit(
  archive: RemoteArchive,
  o: { segments: readonly LocalSegment[]; progress: (line: string) => void },
): Promise<SyncResult> {
  o.progress('asking the archive what it holds')
  const held = await archive.list()
  if (o.segments.length === 0 && held.size === 0) return { sent: 0 }
  const other = o.segments.find(({ name, sha256 }) => (held.get(name) ?? sha256) !== sha256)
  if (other) throw differs(other.name)
  const send = o.segments.filter(({ name }) => !held.has(name))
  const walked = await check(o.segments, send)
  for (const [index, { name, sha256, path }] of send.entries()) {
    o.progress(`sending ${name} (${index + 1} of ${send.length})`)
    await put(archive, name, sha256, { file: path }, (await stat(path)).size)
  }
  for (const tip of walked.tips) await sendHead(archive, tip, held)
  o.progress('the archive checks all it holds')
  return { sent: send.length, archive: await verdict(archive) }
}

/** @throws Fail when the far side finds a fault */
export async function verdict(archive: RemoteArchive): Promise<Verdict> {
  const { ok, segments, rows, restores, pauses, newest, age_seconds, faults } = await archive.verify()
  if (!ok)
    throw new Fail(`the audit archive is not in order: ${faults.slice(0, 3).join('; ')}`, { next: NEXT })
  return { segments, rows, restores: restores.length, pauses: pauses.length, newest, age_seconds }
}

/** What is sent stays, so it is looked at first: with what is around it, it must be one chain. */
async function check(all: readonly LocalSegment[], send: readonly LocalSegment[]): Promise<Walk> {
  const from = Math.min(send[0]?.first ?? Number.POSITIVE_INFINITY, all.at(-1)?.first ?? 1)
  const walked = await walk(all.filter(({ last }) => last >= from - 1))
  const [fault] = walked.faults
  if (fault)
    throw new Fail(`the audit log of this host is broken, nothing was sent: ${fault}`, { next: NEXT })
  return walked
}

function differs(name: string): Fail {
  return new Fail(`the archive holds another ${name} than this host, so one of them was changed`, {
    next: NEXT,
  })
}

/** The signature first: where there is a head, it is signed. */
async function sendHead(archive: RemoteArchive, head: Head, held: Holdings): Promise<void> {
  const name = headName(head)
  if (held.has(name)) return
  const text = headText(head)
  const signature = await archive.sign(text)
  await putText(archive, `${name}.sig`, signature)
  await putText(archive, name, text)
}

function putText(archive: RemoteArchive, name: string, text: string): Promise<void> {
  return put(archive, name, createHash('sha256').update(text).digest('hex'), text, text.length)
}

async function put(archive: RemoteArchive, ...file: Parameters<RemoteArchive['put']>): Promise<void> {
  try {
    await archive.put(...file)
  } catch (error) {
    throw error instanceof OtherFile ? differs(file[0]) : error
  }
}
