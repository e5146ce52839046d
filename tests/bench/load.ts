/** The load, in a process of its own so that it does not slow down what it measures. Options as JSON on standard input. */
import { createHmac } from 'node:crypto'
import { json } from 'node:stream/consumers'
import autocannon, { type Options, type Request } from 'autocannon'

export interface LoadOptions {
  readonly url: string
  readonly seconds: number
  readonly headers: Record<string, string>
  /** The body of every request, or with `secret` the start of it: then each gets a number and a signature. */
  readonly body: string
  readonly secret?: string
}

export interface LoadResult {
  readonly rps: number
  readonly p99: number
  readonly failed: number
}

const options = (await json(process.stdin)) as LoadOptions
const run = process.hrtime.bigint()
let count = 0
const numbered = (request: Request): Request => {
  count += 1
  const body = `{"object":"whatsapp_business_account","run":"${run}","n":${count},"text":"${options.body}"}`
  const signature = createHmac('sha256', options.secret ?? '')
    .update(body)
    .digest('hex')
  return { ...request, body, headers: { ...request.headers, 'x-hub-signature-256': `sha256=${signature}` } }
}
// `warmup` is missing in the package's types.
const settings: Options & { warmup: { connections: number; duration: number } } = {
  url: options.url,
  connections: 16,
  duration: options.seconds,
  warmup: { connections: 16, duration: 1 },
  method: 'POST',
  headers: options.headers,
  body: options.body,
  ...(options.secret && { requests: [{ setupRequest: numbered }] }),
}
const result = await autocannon(settings)
const out: LoadResult = {
  rps: result.requests.average,
  p99: result.latency.p99,
  failed: result.non2xx + result.errors + result.timeouts,
}
process.stdout.write(`${JSON.stringify(out)}\n`)
