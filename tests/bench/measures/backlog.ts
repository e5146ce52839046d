import { textDelivery } from '../delivery.ts'
import { ms, percentile } from '../figures.ts'
import { deliveries, runPaced } from '../loads/load.ts'
import type { Subject } from '../measure.ts'
import { allProcessed } from '../processed.ts'
import type { Stack } from '../stack.ts'

const ROWS = 100_000
const RATE = 200
const SECONDS = 20

export const backlog: Subject = {
  name: 'backlog',
  title: `deliveries while a backlog of ${ROWS} drains, against none`,
  run: async (openStack) => {
    const stack = await openStack()
    const quiet = await stack.startServer()
    const without = await runPaced({ ...deliveries(stack, quiet), rate: RATE, seconds: SECONDS })
    await allProcessed(stack)
    await quiet.stop()

    await fill(stack)
    const server = await stack.startServer()
    const started = performance.now()
    const during = await runPaced({ ...deliveries(stack, server), rate: RATE, seconds: SECONDS })
    const [row] = await stack.sql<{ count: string }[]>`select count(*) from outbox where state = 'ready'`
    await allProcessed(stack)
    const drained = (performance.now() - started) / 1_000
    await server.stop()
    const [before, busy] = [percentile(without, 0.99), percentile(during, 0.99)]
    return [
      {
        name: `ack p99 under a backlog of ${ROWS}`,
        value: busy / before,
        unit: '×',
        bar: { atMost: 2 },
        detail: `${ms(busy)}, without ${ms(before)}; ${row?.count} left after ${SECONDS} s, drained in ${drained.toFixed(0)} s`,
      },
    ]
  },
}

/** Stored deliveries that nobody has looked at yet, as after a long outage of whoever processes them. */
async function fill({ sql, number }: Stack): Promise<void> {
  const template = textDelivery(number, 'backlog.{n}', '{person}')
  await sql`
    with bodies as (
      select convert_to(replace(replace(${template}, '{n}', n::text), '{person}', lpad((n % 500)::text, 4, '0')), 'UTF8') as body
      from generate_series(1, ${ROWS}::int) n
    ), stored as (
      insert into webhook_events (sha256, body, meta_app_id)
      select sha256(body), body, (select id from meta_apps where name = 'default') from bodies
      returning id
    )
    insert into outbox (name, data) select 'wa/webhook.received', jsonb_build_object('eventId', id) from stored`
  await sql.unsafe('analyze webhook_events, outbox')
}
