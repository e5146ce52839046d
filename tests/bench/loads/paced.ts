/**
 * Requests at a fixed rate, whether or not earlier ones are answered, and the time from the moment each was due to the end of
 * its answer: a server that stalls shows it in every request that was due meanwhile. In a process of its own. {@link PacedLoad}
 * as JSON on standard input.
 */
import { Agent, request } from 'node:http'
import { json, text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { PacedLoad, PacedResult } from './load.ts'
import { type Prepared, prepare } from './prepare.ts'

const WARM_UP_SECONDS = 1

const load = (await json(process.stdin)) as PacedLoad
const agent = new Agent({ keepAlive: true })
const url = new URL(load.url)
const next = prepare(load)
const warmUp = load.rate * WARM_UP_SECONDS
// Made before the clock runs: signing must not compete with the server for the processor.
const prepared = Array.from({ length: warmUp + load.rate * load.seconds }, next)

const started = performance.now()
const pending: Promise<number | undefined>[] = []
for (const [index, one] of prepared.entries()) {
  const due = started + (index * 1_000) / load.rate
  while (performance.now() < due) await delay(1)
  pending.push(send(one).then((isGood) => (isGood ? performance.now() - due : undefined)))
}
const measured = (await Promise.all(pending)).slice(warmUp)
const ms = measured.filter((value) => value !== undefined)
const out: PacedResult = { ms, failed: measured.length - ms.length }
agent.destroy()
process.stdout.write(`${JSON.stringify(out)}\n`)

/** @returns whether the answer says that it worked. */
async function send({ headers, body }: Prepared): Promise<boolean> {
  try {
    return await new Promise((resolve, reject) => {
      const settings = {
        agent,
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      }
      request(url, settings, (response) => {
        const isDone = response.statusCode === 200
        text(response).then((answer) => {
          const isGood = isDone && !answer.includes('"isError":true')
          if (!isGood) process.stderr.write(`${response.statusCode} ${answer.slice(0, 300)}\n`)
          resolve(isGood)
        }, reject)
      })
        .once('error', reject)
        .end(body)
    })
  } catch (error) {
    process.stderr.write(`${error}\n`)
    return false
  }
}
