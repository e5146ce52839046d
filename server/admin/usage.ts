import type { Queryable } from '../db/pool.ts'
import { integer, slug } from './checks.ts'
import { type Command, command } from './command.ts'
import { may } from './option.ts'
import type { Report } from './report.ts'
import { table } from './table.ts'

interface Day {
  readonly day: string
  readonly client: string
  readonly phone: string
  readonly received: number
  readonly sent: number
  readonly failed: number
}

interface Month {
  readonly phone: string
  readonly label: string
  /** What the cap is held against: messages handed to Meta. */
  readonly counted: number
  /** What Meta said it charges for. */
  readonly billable: number
  readonly cap: number | null
}

/** @param days Whole days (UTC) before today. */
function usage(o: { days: number; client: string | undefined }) {
  return async (sql: Queryable): Promise<Report> => {
    const days = await sql<Day[]>`
      select to_char(m.created_at at time zone 'UTC', 'YYYY-MM-DD') as day, c.name as client, n.wa_phone_number_id as phone,
        count(*) filter (where m.direction = 'inbound')::int as received,
        count(*) filter (where m.status in ('accepted', 'sent', 'delivered', 'read', 'played'))::int as sent,
        count(*) filter (where m.status in ('failed', 'rejected', 'unknown'))::int as failed
      from messages m join clients c on c.id = m.client_id join phone_numbers n on n.id = m.phone_number_id
      where m.created_at >= date_trunc('day', now(), 'UTC') - make_interval(days => ${o.days})
        and (${o.client ?? null}::text is null or c.name = ${o.client ?? null})
      group by 1, 2, 3 order by 1, 2, 3`
    const months = await sql<Month[]>`
      select n.wa_phone_number_id as phone, n.label, n.monthly_billable_cap as cap, (
        select count(*)::int from messages m
        where m.phone_number_id = n.id and m.direction = 'outbound' and m.created_at >= date_trunc('month', now(), 'UTC')
          and m.pricing->>'billable' = 'true') as billable,
        coalesce((select b.count from rate_limit_buckets b where b.scope_kind = 'number_month' and b.scope_id = n.id
          and b.window_start = date_trunc('month', now(), 'UTC')), 0) as counted
      from phone_numbers n order by n.created_at, n.id`
    const dayCells = days.map((row) => [
      ...[row.day, row.client, row.phone],
      ...[row.received, row.sent, row.failed].map(String),
    ])
    const monthCells = months.map(({ phone, label, counted, billable, cap }) => [
      ...[phone, label, String(counted), String(billable), cap === null ? '-' : String(cap)],
    ])
    return {
      data: { days: [...days], month: [...months] },
      text: [
        table(['DAY (UTC)', 'CLIENT', 'PHONE', 'RECEIVED', 'SENT', 'FAILED'], dayCells),
        table(['PHONE', 'LABEL', 'COUNTED THIS MONTH', 'BILLABLE', 'CAP'], monthCells),
      ].join('\n\n'),
    }
  }
}

export const usageCommands: readonly Command[] = [
  command({
    name: 'usage',
    summary: 'counts messages per client, number and day, and what Meta charged for this month',
    audited: 'not',
    options: {
      days: may('COUNT', 'how many days before today, default 7', integer(0, 400)),
      client: may('NAME', 'only those of one client', slug),
    },
    run: (o) => (context) => usage({ ...o, days: o.days ?? 7 })(context.sql),
  }),
]
