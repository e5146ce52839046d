import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { setName } from '../backup/layout.ts'
import { Fail } from '../lib/fail.ts'
import { type Walk, walk } from './chain.ts'
import { type Head, headName, headText } from './head.ts'
import type { LocalSegment } from './local.ts'
import { compare, type Plan } from './plan.ts'
import { type Holdings, OtherFile, type RemoteArchive } from './remote.ts'

const DOCUMENT = 'docs/operations/audit-archive.md'

export interface SyncResult {
  /** Segments that went over in this run. */
  readonly sent: number
  /** The line they belong to; absent while there is no segment at all. */
  readonly line?: string
  /** Rows, newest heartbeat and its age as the far side found them, which read every row. */
  readonly archive?: {
    readonly lines: number
    readonly rows: number
    readonly newest: string | undefined
    readonly age_seconds: number | undefined
    readonly pauses: number
  }
}

/**
 * Sends what the far side lacks, signs the end of the chain, and lets the far side check everything.
 * @param o.segments this host's, oldest first
 * @param o.restored begin a new line: the database goes on from an older row than the one sent last
 * @throws Fail when the two sides do not agree, or the far side finds a fault; what differs is never sent again
 */
export async function syncAudit(
  archive: RemoteArchive,
  o: { segments: readonly LocalSegment[]; restored: boolean; progress: (line: string) => void },
): Promise<SyncResult> {
  o.progress('asking the archive what it holds')
  let holdings = await archive.list()
  if (o.segments.length === 0 && holdings.files.length === 0) return { sent: 0 }
  const line = (o.restored ? undefined : holdings.lines.at(-1)) ?? setName(new Date())
  if (!holdings.lines.includes(line)) {
    await archive.begin(line)
    holdings = { ...holdings, lines: [...holdings.lines, line] }
  }
  const plan = compare(o.segments, holdings)
  const walked = await check(plan)
  for (const [index, segment] of plan.send.entries()) {
    o.progress(`sending ${segment.name} (${index + 1} of ${plan.send.length})`)
    const { size } = await stat(segment.path)
    await put(archive, { line, ...segment }, { file: segment.path }, size)
  }
  if (walked) await sendHead(archive, line, walked.end, holdings)
  o.progress('the archive checks all it holds')
  return { sent: plan.send.length, line, archive: await verdict(archive) }
}

/** @throws Fail when the far side finds a fault */
export async function verdict(archive: RemoteArchive): Promise<NonNullable<SyncResult['archive']>> {
  const report = await archive.verify()
  if (!report.ok) {
    throw new Fail(`the audit archive is not whole: ${report.faults.slice(0, 3).join('; ')}`, {
      next: `see ${DOCUMENT}, "When it complains"`,
    })
  }
  return {
    lines: report.lines.length,
    rows: report.lines.reduce((sum, { rows }) => sum + rows, 0),
    newest: report.newest,
    age_seconds: report.age_seconds,
    pauses: report.pauses.length,
  }
}

/** What is sent stays, so it is looked at first: it must be one chain, and the far side's own. */
async function check(plan: Plan): Promise<Walk | undefined> {
  const [differing] = plan.differing
  if (differing) throw disagreement(`the archive holds another ${differing} than this host`)
  const [unknown] = plan.unknown
  if (unknown) throw disagreement(`the archive holds ${unknown}, which this host does not have`)
  const chain = [...plan.held, ...plan.send]
  // From the last one that is there on, or from where a gap is filled.
  const from = Math.min(plan.send[0]?.first ?? Number.POSITIVE_INFINITY, plan.held.at(-1)?.first ?? 1)
  const walked = await walk(chain.filter(({ last }) => last >= from - 1))
  const [fault] = walked?.faults ?? []
  if (fault) throw disagreement(`what would be sent is not one chain: ${fault}`)
  return walked
}

function disagreement(what: string): Fail {
  return new Fail(`${what}; nothing was sent`, {
    next: `if the database was restored from a backup since: npx zx scripts/sync-audit.ts --restored; if not, somebody changed one of the two: see ${DOCUMENT}`,
  })
}

/** The signature first: where there is a head, it is signed. */
async function sendHead(
  archive: RemoteArchive,
  line: string,
  head: Head,
  { files }: Holdings,
): Promise<void> {
  const name = headName(head.id)
  if (files.some((file) => file.line === line && file.name === name)) return
  const text = headText(head)
  for (const [file, content] of [
    [`${name}.sig`, await archive.sign(text)],
    [name, text],
  ] as const) {
    const sha256 = createHash('sha256').update(content).digest('hex')
    await put(archive, { line, name: file, sha256 }, content, content.length)
  }
}

async function put(archive: RemoteArchive, ...[file, content, bytes]: Parameters<RemoteArchive['put']>) {
  try {
    await archive.put(file, content, bytes)
  } catch (error) {
    if (error instanceof OtherFile)
      throw disagreement(`the archive holds another ${file.name} than this host`)
    throw error
  }
}
