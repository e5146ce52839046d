import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { Drill } from '../drill.ts'
import { PROJECT } from '../drill.ts'
import { docker } from '../engine.ts'
import { common, DOMAIN, NETWORK } from '../network.ts'

/** What one connection says. Characters of texts are bytes; see tests/drill/probes/raw.ts. */
export interface Attempt {
  readonly name: string
  /** 443 with TLS unless another is given. */
  readonly port?: number
  /** `false` for a connection in the clear. */
  readonly tls?:
    | false
    | { name?: string; protocols?: string[]; version?: string; ciphers?: string; renegotiate?: boolean }
  readonly say: readonly (string | { text: string; times: number; pauseMs?: number })[]
  readonly enough?: readonly string[]
  /** Default 30. */
  readonly seconds?: number
}

const outcome = z.object({
  name: z.string(),
  end: z.literal(['closed', 'reset', 'open']),
  statuses: z.array(z.number()),
  answer: z.string(),
  seconds: z.number(),
  agreed: z.string(),
  renegotiated: z.boolean(),
  error: z.string(),
})
export type Outcome = z.infer<typeof outcome>

/** A machine that means no good, with an address of its own, so that what it uses up is its own share. */
export class Stranger {
  readonly address: string
  /** Its name at the engine. */
  readonly container: string

  private constructor(container: string, address: string) {
    this.container = container
    this.address = address
  }

  static async arrive(drill: Drill, name: string): Promise<Stranger> {
    const container = `${NETWORK}-${name}`
    await docker([
      'run',
      '-d',
      ...common(name),
      '--init',
      '-v',
      `${PROJECT}:/project:ro`,
      drill.world.images.client,
    ])
    const address = (await docker(['exec', container, 'hostname', '-i'])).stdout.trim()
    return new Stranger(container, address)
  }

  async leave(): Promise<void> {
    await docker(['rm', '-f', '-v', this.container])
  }

  /** @param o.parallel connections at the same time, default 16 @returns outcomes by the attempts' names */
  async attempt(
    attempts: readonly Attempt[],
    o: { host?: string; parallel?: number } = {},
  ): Promise<ReadonlyMap<string, Outcome>> {
    const filled = attempts.map(({ tls, port, seconds, ...rest }) => ({
      ...rest,
      port: port ?? (tls === false ? 80 : 443),
      ...(tls !== false && { tls: { name: DOMAIN, ...tls } }),
      seconds: seconds ?? 30,
    }))
    const input = JSON.stringify({ host: o.host ?? DOMAIN, parallel: o.parallel ?? 16, attempts: filled })
    const program = ['/project/node_modules/.bin/node', '/project/tests/drill/probes/raw.ts']
    // OpenSSL's own floor would keep this side from offering what is obsolete.
    const answer = await docker(['exec', '-i', this.container, ...program], { input, limit: 150 })
    const outcomes = z.array(outcome).parse(JSON.parse(answer.stdout))
    return new Map(outcomes.map((found) => [found.name, found]))
  }
}

/** An id under which nginx and the app log a request. */
export const newId = (what: string): string => `${what}-${randomUUID().slice(0, 8)}`

/** The text of a request that closes its connection. */
export function request(
  line: string,
  o: { id?: string; headers?: readonly string[]; body?: string; host?: string } = {},
): string {
  const headers = [
    `Host: ${o.host ?? DOMAIN}`,
    ...(o.id === undefined ? [] : [`X-Request-Id: ${o.id}`]),
    ...(o.headers ?? []),
    'Connection: close',
  ]
  return `${line} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${o.body ?? ''}`
}

/** For a detail: how an attempt ended. */
export function describe(found: Outcome | undefined): string {
  if (found === undefined) return 'no outcome'
  const { end, statuses, seconds, error, agreed } = found
  return `${statuses.join(' ') || 'no status'}, ${end} after ${seconds.toFixed(1)} s ${error} ${agreed}`.trim()
}
