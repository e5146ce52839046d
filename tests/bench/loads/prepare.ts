import { personOf, signatureHeader, textDelivery } from '../delivery.ts'
import type { Load } from './load.ts'

export interface Prepared {
  readonly headers: Record<string, string>
  readonly body: string
}

/** @returns a function that gives the next request: a new signed delivery, or the bodies and keys in turn. */
export function prepare({ requests }: Pick<Load, 'requests'>): () => Prepared {
  const json = { 'content-type': 'application/json' }
  let count = -1
  if ('delivery' in requests) {
    const { to, secret } = requests.delivery
    const run = process.hrtime.bigint()
    return () => {
      count += 1
      const body = textDelivery(to, `${run}.${count}`, personOf(count))
      return { headers: { ...json, 'x-hub-signature-256': signatureHeader(body, secret) }, body }
    }
  }
  const { bodies, tokens } = requests
  return () => {
    count += 1
    const body = bodies[count % bodies.length] ?? ''
    const token = tokens[Math.floor(count / bodies.length) % tokens.length]
    const accept = 'application/json, text/event-stream'
    return { headers: { ...json, accept, authorization: `Bearer ${token}` }, body }
  }
}
