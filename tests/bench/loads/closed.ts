/**
 * As many requests as the server takes from a fixed number of connections, each waiting for its answer. In a process of its own,
 * so that it does not slow down what it measures. {@link ClosedLoad} as JSON on standard input.
 */
import { json } from 'node:stream/consumers'
import autocannon, { type Options, type Request } from 'autocannon'
import type { ClosedLoad, ClosedResult } from './load.ts'
import { prepare } from './prepare.ts'

const load = (await json(process.stdin)) as ClosedLoad
const next = prepare(load)
// Deliveries must differ and are made one by one; other requests repeat and are made once.
const requests: Request[] =
  'delivery' in load.requests
    ? [{ setupRequest: (request) => ({ ...request, ...next() }) }]
    : Array.from({ length: load.requests.bodies.length * load.requests.tokens.length }, next)
// `warmup` is missing in the package's types.
const settings: Options & { warmup: { connections: number; duration: number } } = {
  url: load.url,
  connections: load.connections,
  duration: load.seconds,
  warmup: { connections: load.connections, duration: 1 },
  method: 'POST',
  requests,
}
const result = await autocannon(settings)
const out: ClosedResult = {
  rps: result.requests.average,
  p99: result.latency.p99,
  failed: result.non2xx + result.errors + result.timeouts,
}
process.stdout.write(`${JSON.stringify(out)}\n`)
