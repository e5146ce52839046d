import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { batchDelivery, signatureHeader } from '../delivery.ts'
import { median, ms } from '../figures.ts'
import type { Subject } from '../measure.ts'
import type { Listening } from '../programs.ts'
import type { Stack } from '../stack.ts'

const UPDATES = 1000
const ROUNDS = 5
const POLL_MS = 3

export const batch: Subject = {
  name: 'batch',
  title: `one delivery of ${UPDATES} updates, until all are processed`,
  run: async (openStack) => {
    const stack = await openStack()
    const server = await stack.startServer()
    // Small ones first, as a server in service has seen.
    for (let round = 0; round < 3; round += 1) await timeBatch(stack, server, `warm${round}`, 20)
    const times: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      times.push(await timeBatch(stack, server, `round${round}`, UPDATES))
    }
    const [row] = await stack.sql<{ count: string }[]>`
      select count(*) from messages where wa_message_id like 'wamid.BENCH.round%'`
    await server.stop()
    if (Number(row?.count) !== ROUNDS * UPDATES)
      throw new Error(`${row?.count} messages of the batches arrived`)
    return [
      {
        name: `batch of ${UPDATES} updates`,
        value: median(times),
        unit: 'ms',
        bar: { atMost: 250 },
        detail: `median of ${times.map(ms).join(', ')}`,
      },
    ]
  },
}

/** From the first byte sent to the moment another connection sees the delivery as processed. */
async function timeBatch(stack: Stack, { origin }: Listening, run: string, size: number): Promise<number> {
  const body = batchDelivery(stack.number, run, size)
  const sha256 = createHash('sha256').update(body).digest()
  const headers = {
    'content-type': 'application/json',
    'x-hub-signature-256': signatureHeader(body, stack.appSecret),
  }
  const started = performance.now()
  const response = await fetch(`${origin}/webhook/meta`, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(`the batch was answered with ${response.status}`)
  while (performance.now() - started < 30_000) {
    const [row] = await stack.sql<{ error: string | null }[]>`
      select error from webhook_events where sha256 = ${sha256} and processed_at is not null`
    if (row?.error) throw new Error(`the batch was not understood: ${row.error}`)
    if (row) return performance.now() - started
    await delay(POLL_MS)
  }
  throw new Error('the batch was not processed')
}
