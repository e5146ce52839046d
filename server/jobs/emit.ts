import type { Queryable } from '../db/pool.ts'
import { EVENTS, type EventData, type EventName } from './events.ts'

export interface EmitOptions {
  /** Events with the same key compete for the job's `concurrency`, those without one with none; by convention `phone_numbers.id`. */
  readonly key?: string
  /** Default: at once. */
  readonly runAfter?: Date
}

/**
 * Puts an event into the outbox. Pass the transaction of the change it follows from: both are there, or neither.
 *
 * @throws ZodError when the data is not that of the event.
 */
export async function emit<Name extends EventName>(
  sql: Queryable,
  name: Name,
  data: EventData<Name>,
  { key = '', runAfter }: EmitOptions = {},
): Promise<void> {
  await sql`insert into outbox (name, data, concurrency_key, run_after)
    values (${name}, ${JSON.stringify(EVENTS[name].parse(data))}::text::jsonb, ${key}, coalesce(${runAfter ?? null}::timestamptz, now()))`
}

/**
 * {@link emit} for many events of one kind, in one statement.
 *
 * @throws ZodError when the data is not that of the event.
 */
export async function emitAll<Name extends EventName>(
  sql: Queryable,
  name: Name,
  data: readonly EventData<Name>[],
  { key = '', runAfter }: EmitOptions = {},
): Promise<void> {
  if (data.length === 0) return
  const checked = data.map((item) => EVENTS[name].parse(item))
  await sql`insert into outbox (name, data, concurrency_key, run_after)
    select ${name}::text, value, ${key}::text, coalesce(${runAfter ?? null}::timestamptz, now())
    from jsonb_array_elements(${JSON.stringify(checked)}::text::jsonb)`
}
