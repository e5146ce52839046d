import { SCHEMA } from '../db/migrations.ts'
import { type Database, within } from '../db/pool.ts'
import { type OutboxFigures, outboxFigures } from '../jobs/admin.ts'
import type { Numbers } from '../numbers/numbers.ts'

const DEADLINE_MS = 3_000

/** What an operator wants to know first. Holds no secret and nothing that was said. */
export interface Figures {
  readonly schema: { readonly expected: string; readonly applied: string | null }
  readonly outbox: OutboxFigures
  readonly events: {
    /** Deliveries that are stored and not understood yet. */
    readonly open: number
    readonly oldest_seconds: number
  }
  readonly audit: {
    readonly rows: number
    /** null: none was closed yet. */
    readonly newest_segment_seconds: number | null
    /** Since when nothing was archived: the newest segment, or the first row where there is none. */
    readonly lag_seconds: number
  }
  readonly sessions: number
  readonly numbers: readonly NumberFigures[]
  /** Meta apps whose webhooks cannot be checked on this host. */
  readonly apps_without_secret: readonly string[]
}

export interface NumberFigures {
  readonly phone_number_id: string
  readonly label: string
  readonly state: 'live' | 'disabled' | 'paused' | 'token_missing'
  readonly reason: string | null
}

interface Row {
  readonly applied: string | null
  readonly open: number
  readonly oldest: number
  readonly rows: number
  readonly segment: number | null
  readonly lag: number | null
  readonly sessions: number
}

/** @throws DatabaseTimeout, or the driver's error, when the database does not answer. */
export async function readFigures(sql: Database, numbers: Numbers): Promise<Figures> {
  const [[row], outbox, all, apps] = await within(
    DEADLINE_MS,
    Promise.all([
      sql<Row[]>`
        select (select max(name) from schema_migrations) as applied,
          (select count(*)::int from webhook_events where processed_at is null) as open,
          (select coalesce(extract(epoch from now() - min(received_at)), 0)::float8
            from webhook_events where processed_at is null) as oldest,
          (select id::float8 from audit_head) as rows,
          (select extract(epoch from now() - max(closed_at))::float8 from audit_segments) as segment,
          (select extract(epoch from now() - coalesce((select max(closed_at) from audit_segments),
            (select min(ts) from audit_log)))::float8) as lag,
          (select count(*)::int from mcp_sessions) as sessions`,
      outboxFigures(sql),
      numbers.all(),
      numbers.apps(),
    ]),
  )
  return {
    schema: { expected: SCHEMA, applied: row?.applied ?? null },
    outbox,
    events: { open: row?.open ?? 0, oldest_seconds: row?.oldest ?? 0 },
    audit: {
      rows: row?.rows ?? 0,
      newest_segment_seconds: row?.segment ?? null,
      lag_seconds: row?.lag ?? 0,
    },
    sessions: row?.sessions ?? 0,
    numbers: all.map((number) => ({
      phone_number_id: number.waId,
      label: number.label,
      ...(number.disabledAt !== null
        ? { state: 'disabled', reason: null }
        : number.pausedAt !== null
          ? { state: 'paused', reason: number.pausedReason }
          : numbers.tokenOf(number) === undefined
            ? { state: 'token_missing', reason: `${number.tokenRef} is not on this host` }
            : { state: 'live', reason: null }),
    })),
    apps_without_secret: apps.filter(({ secrets }) => secrets.length === 0).map(({ name }) => name),
  }
}
