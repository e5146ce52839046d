import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../../secrets/atomic.ts'
import { JOBS } from '../backup/layout.ts'
import { duration, megabytes } from '../lib/words.ts'
import type { BrokenSet } from '../offsite/sets.ts'
import type { RestoredRows } from './database.ts'
import type { MediaResult } from './media.ts'
import { type PhaseResult, phaseTable } from './phases.ts'
import type { Dns } from './plan.ts'

/** The result of a recovery, as `--json` prints it and `jobs/restore-host.json` keeps it. */
export interface Report {
  readonly ok: true
  readonly domain: string
  readonly url: string
  readonly set: string
  /** from the first attempt's start until the stack was proved on this host */
  readonly rto_seconds: number
  /** from the backup until the first attempt's start: what came then is lost */
  readonly rpo_seconds: number
  readonly phases: readonly PhaseResult[]
  readonly passed_over: readonly BrokenSet[]
  readonly database: RestoredRows
  readonly media: MediaResult
  readonly certificate_ends: string | null
  readonly dns: Dns
  /** what a person must still do, in this order */
  readonly next: readonly string[]
}

/** What is left to a person once the stack is proved. */
export function nextSteps(o: Pick<Report, 'dns' | 'database' | 'media'>): string[] {
  const { dns, database, media } = o
  const right = dns.now.length === 1 && dns.now[0] === dns.change_to
  const behind = dns.behind_translation ? ' (a private address: use the public one that leads to it)' : ''
  return [
    'stop the old host if it still lives: systemctl disable --now whatsapp-mcp.service, on it',
    ...(right
      ? []
      : [
          `change DNS: ${dns.name} ${dns.type} ${dns.now.join(', ') || 'no record'} → ${dns.change_to}${behind}, time to live 60 s until all is well`,
          'then from anywhere: npx zx scripts/smoke.ts --dns',
        ]),
    ...(database.held > 0
      ? [
          'look at what was waiting to be sent: wa outbox show --state held',
          'let it go, or not: wa outbox release ID | wa outbox release --all | wa outbox discard ID',
        ]
      : []),
    ...(database.unknown > 0
      ? [
          `${database.unknown} messages were being sent when the backup was made: ask the customers, or leave them unknown`,
        ]
      : []),
    ...(media.missing.length > 0
      ? [`${media.missing.length} media files did not come back: see them above`]
      : []),
  ]
}

/** Keeps the result where those of the jobs are. */
export async function keepReport(report: Report, started: string): Promise<void> {
  const record = {
    job: 'restore-host',
    ok: true,
    started,
    seconds: report.rto_seconds,
    result: report,
    last_success: started,
  }
  await mkdir(JOBS, { recursive: true, mode: 0o700 })
  await writeAtomically(join(JOBS, 'restore-host.json'), `${JSON.stringify(record, undefined, 2)}\n`, 0o600)
}

/** The result for a person. */
export function formatReport(report: Report, seconds: number): string {
  const { database, media } = report
  return [
    phaseTable(report.phases, seconds),
    '',
    `recovered: ${report.url} from ${report.set}`,
    `  database     ${database.rows.toLocaleString('en')} rows, equal to the manifest; ${database.held} messages held, ${database.unknown} unknown`,
    `  media        ${media.files.toLocaleString('en')} files, ${megabytes(media.bytes)}, compared one by one`,
    ...media.missing.map(({ place, problem }) => `    MISSING    ${place}: ${problem}`),
    `  certificate  ${report.certificate_ends === null ? 'new' : `good until ${report.certificate_ends.slice(0, 10)}`}`,
    `  RTO          ${duration(report.rto_seconds)}, until it was proved on this host`,
    `  RPO          ${duration(report.rpo_seconds)} before this recovery began`,
    ...report.passed_over.map(({ name, problem }) => `  NOT USED     ${name}: ${problem}`),
    '',
    'next:',
    ...report.next.map((step, index) => `  ${index + 1}. ${step}`),
  ].join('\n')
}
