import { closeAuditSegment } from '../audit/archive.ts'
import { verifyAudit } from '../audit/verify.ts'
import { integer, setName, slug } from './checks.ts'
import { type AdminContext, type Command, command } from './command.ts'
import { findClient } from './find.ts'
import { flag, may } from './option.ts'
import type { Report } from './report.ts'
import { moment, table } from './table.ts'

interface Line {
  readonly id: number
  readonly ts: Date
  readonly action: string
  readonly outcome: string
  readonly transport: string
  readonly client: string | null
  readonly tool: string | null
  readonly phone: string | null
  readonly error_class: string | null
  readonly error_code: string | null
  readonly duration_ms: number | null
  readonly request_id: string | null
  readonly detail: Readonly<Record<string, unknown>>
}

function tail(o: { lines: number; client: string | undefined; refused: boolean }) {
  return async ({ sql }: AdminContext): Promise<Report> => {
    const client = o.client === undefined ? null : (await findClient(sql, o.client)).id
    const rows = await sql<Line[]>`
      select a.id::float8 as id, a.ts, a.action, a.outcome, a.transport, c.name as client, a.tool, a.phone_number_id as phone,
        a.error_class, a.error_code, a.duration_ms, a.request_id, a.detail
      from audit_log a left join clients c on c.id = a.client_id
      where (${client}::uuid is null or a.client_id = ${client}) and (not ${o.refused} or a.outcome <> 'ok')
      order by a.id desc limit ${o.lines}`
    const lines = rows.toReversed()
    const cells = lines.map((line) => [
      ...[String(line.id), moment(line.ts), line.action, line.outcome, line.client ?? '-', line.tool ?? '-'],
      ...[line.phone ?? '-', [line.error_class, line.error_code].filter(Boolean).join(' ') || '-'],
      ...[line.duration_ms === null ? '-' : `${line.duration_ms} ms`, line.request_id ?? '-'],
    ])
    const head = [
      'ID',
      'TIME (UTC)',
      'ACTION',
      'OUTCOME',
      'CLIENT',
      'TOOL',
      'PHONE',
      'ERROR',
      'TOOK',
      'REQUEST',
    ]
    return { data: lines, text: table(head, cells) }
  }
}

async function verify({ pool, config }: AdminContext, files: boolean): Promise<Report> {
  const verdict = await verifyAudit(pool, files ? config.auditDir : undefined)
  if (!verdict.ok) return { data: verdict, text: `The chain is broken: ${verdict.fault}`, failed: true }
  const { rows, segments, head } = verdict
  return { data: verdict, text: `The chain holds: ${rows} rows up to ${head}, ${segments} closed segments` }
}

/** Whatever was recorded after the backup is gone from this chain: who compares it with the archive must find the reason in it. */
function restored(set: string) {
  return async ({ sql }: AdminContext): Promise<Report> => {
    const [head] = await sql<{ id: number }[]>`select id::float8 as id from audit_head for update`
    return {
      data: { set, head: head?.id },
      text: `The chain goes on after row ${head?.id}, as ${set} had it`,
      audit: { detail: { set_id: set, head_id: head?.id } },
    }
  }
}

async function close({ pool, config, log }: AdminContext): Promise<Report> {
  const file = await closeAuditSegment({ sql: pool, dir: config.auditDir, log })
  return { data: { file }, text: `Closed ${file}` }
}

export const auditCommands: readonly Command[] = [
  command({
    name: 'audit tail',
    summary: 'shows the latest entries',
    audited: 'not',
    options: {
      lines: may('COUNT', 'how many, default 20', integer(1, 10_000)),
      client: may('NAME', 'only those of one client', slug),
      refused: flag('only what was refused or failed'),
    },
    run: (o) => tail({ ...o, lines: o.lines ?? 20 }),
  }),
  command({
    name: 'audit verify',
    summary: 'checks the whole chain and names the first fault; exit code 1 when there is one',
    audited: 'not',
    options: { 'table-only': flag('leave the archived files alone, where they are not on this machine') },
    run: (o) => (context) => verify(context, !o['table-only']),
  }),
  command({
    name: 'audit restored',
    summary: 'records that this database came back from a backup; the restore says so itself',
    audited: 'with',
    argument: { placeholder: 'SET', read: setName },
    options: {},
    run: (_, set) => restored(set),
  }),
  command({
    name: 'audit close',
    summary: 'closes a segment now instead of on the hour, so that it can be sent before a host is stopped',
    audited: 'after',
    options: {},
    run: () => close,
  }),
]
