import type { Database, Queryable } from '../db/pool.ts'

export const OUTBOX_STATES = ['ready', 'done', 'dead', 'held'] as const
export type OutboxState = (typeof OUTBOX_STATES)[number]

/** A row of the outbox, for people. */
export interface OutboxEntry {
  readonly id: number
  readonly name: string
  readonly data: unknown
  readonly state: OutboxState
  readonly attempts: number
  readonly run_after: Date
  readonly last_error: string | null
  readonly created_at: Date
}

/** Newest first. */
export async function listOutbox(
  sql: Queryable,
  { state, limit = 50 }: { state?: OutboxState | undefined; limit?: number } = {},
): Promise<OutboxEntry[]> {
  return await sql<OutboxEntry[]>`
    select id::float8 as id, name, data, state, attempts, run_after, last_error, created_at from outbox
    where ${state === undefined ? sql`true` : sql`state = ${state}`} order by outbox.id desc limit ${limit}`
}

/** Sends that a restored database holds back: Meta gives every message an id that it holds back itself. */
const heldByUs = (sql: Queryable) => sql`status = 'held' and wa_message_id is null`

/**
 * Makes a row that is dead, held or waiting for its next try due now, with all its tries.
 *
 * @returns false when there is no such row, or it is done or running.
 */
export async function retryOutbox(sql: Queryable, id: number): Promise<boolean> {
  const freed = await sql`
    with freed as (
      update outbox set state = 'ready', attempts = 0, run_after = now()
      where id = ${id} and state <> 'done' and (leased_until is null or leased_until <= now())
      returning data
    ), unheld as (
      update messages set status = 'queued', updated_at = now()
      where id = (select (data->>'messageId')::uuid from freed) and ${heldByUs(sql)}
    )
    select from freed`
  return freed.length === 1
}

/**
 * Removes a row, so that it is never run. A message that it was to send, and that has not begun to be sent, is `rejected`.
 *
 * @returns false when there is no such row, or it is done or running.
 */
export async function discardOutbox(sql: Queryable, id: number): Promise<boolean> {
  const removed = await sql`
    with gone as (
      delete from outbox where id = ${id} and state <> 'done' and (leased_until is null or leased_until <= now())
      returning data
    ), unsent as (
      update messages set status = 'rejected', updated_at = now()
      where id = (select (data->>'messageId')::uuid from gone) and (status = 'queued' or ${heldByUs(sql)})
    )
    select from gone`
  return removed.length === 1
}

/** Keeps everything that has not run from running, until {@link releaseOutbox}. */
export async function holdOutbox(sql: Queryable): Promise<number> {
  const { count } = await sql`
    update outbox set state = 'held' where state = 'ready' and (leased_until is null or leased_until <= now())`
  return count
}

/**
 * Lets rows that are held run again, and their messages be sent.
 *
 * @param id One row; default: all of them.
 * @returns how many.
 */
export async function releaseOutbox(sql: Queryable, id?: number): Promise<number> {
  const freed = await sql`
    with freed as (
      update outbox set state = 'ready' where state = 'held' and (${id ?? null}::bigint is null or id = ${id ?? null})
      returning data
    ), unheld as (
      update messages set status = 'queued', updated_at = now()
      where id in (select (data->>'messageId')::uuid from freed) and ${heldByUs(sql)}
    )
    select from freed`
  return freed.length
}

export interface OutboxFigures {
  readonly ready: number
  readonly dead: number
  readonly held: number
  /** How long the row that is due for longest has been due; 0 when none is. */
  readonly oldest_seconds: number
}

/** Depth and age of the outbox, for people and for `/metrics`. Done rows are not counted: they are many and say nothing. */
export async function outboxFigures(sql: Database): Promise<OutboxFigures> {
  const [row] = await sql<OutboxFigures[]>`
    select (select count(*)::int from outbox where state = 'ready') as ready,
      (select count(*)::int from outbox where state = 'dead') as dead,
      (select count(*)::int from outbox where state = 'held') as held,
      (select greatest(extract(epoch from now() - min(run_after)), 0)::float8 from outbox where state = 'ready') as oldest_seconds`
  return { ready: 0, dead: 0, held: 0, ...row, oldest_seconds: row?.oldest_seconds ?? 0 }
}
