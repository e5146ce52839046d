/**
 * Meta at a steady pace: signed webhooks over connections that stay open, none alike, `rate` a second for `seconds`.
 * Reads `{url, secret, seconds, rate}`, prints `{count, failures, p50, p99}`, times in milliseconds.
 */
import { createHmac, randomUUID } from 'node:crypto'
import { Agent, request } from 'node:https'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'

const { url, secret, seconds, rate } = z
  .object({ url: z.url(), secret: z.string(), seconds: z.number(), rate: z.number() })
  .parse(await json(process.stdin))
const agent = new Agent({ keepAlive: true })
const failures: string[] = []
const times: number[] = []

function deliver(): Promise<number> {
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [], drill: randomUUID() })
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature }
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/webhook/meta`, { method: 'POST', headers, agent }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.on('error', reject)
    outgoing.setTimeout(10_000, () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.end(body)
  })
}

async function timed(): Promise<void> {
  const start = performance.now()
  try {
    const status = await deliver()
    if (status !== 200) failures.push(String(status))
  } catch (error) {
    failures.push(String(error))
  }
  times.push(performance.now() - start)
}

// Its handshake would be the slowest of all.
await timed()
times.length = 0
const begin = performance.now()
const under: Promise<void>[] = []
// By the clock and not one after the other: a slow answer must not hold back those that would have been slow as well.
for (let n = 0; n < seconds * rate; n++) {
  await sleep(Math.max(0, begin + (n * 1000) / rate - performance.now()))
  under.push(timed())
}
await Promise.all(under)
agent.destroy()
times.sort((a, b) => a - b)
const at = (part: number): number => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0
process.stdout.write(JSON.stringify({ count: times.length, failures, p50: at(0.5), p99: at(0.99) }))
