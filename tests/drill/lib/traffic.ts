import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { ADMIN, DOMAIN } from './network.ts'
import { until } from './progress.ts'
import type { Result } from './run.ts'
import { ACCOUNT, standInFor } from './stand-in.ts'

const attemptSchema = z.object({
  what: z.enum(['delivery', 'send']),
  /** Of the delivery or the send within this traffic; its attempts share it. */
  id: z.string(),
  /** 0 for the first attempt. */
  n: z.number(),
  /** Milliseconds since 1970; hosts and clients of a drill share the machine's clock. */
  started: z.number(),
  ended: z.number(),
  /** Acknowledged: Meta will not repeat it, the agent has its result. */
  ok: z.boolean(),
  /** HTTP status, state of the message, or what went wrong. */
  outcome: z.string(),
  /** That the server proved itself with: SHA-256 fingerprint. */
  certificate: z.string().optional(),
})
export type Attempt = z.infer<typeof attemptSchema>

/** Digits of the stand-in's customer for machines. */
const CUSTOMER = '15550003333'
/** So many acknowledged deliveries, one after the other, are no accident any more. */
const IN_A_ROW = 10
/** Longest time that any scenario keeps traffic going, seconds. */
const LIMIT_S = 1_800

/**
 * Steady traffic from the client's machine through nginx: five signed deliveries of customers' messages a second, each with
 * an id of its own and repeated until it gets its 200, and a send of an agent every 1.25 s, repeated under its idempotency key
 * until there is a result. One at a time, as it is one client.
 */
export class Traffic {
  /** All so far, in the order they ended. */
  readonly attempts: Attempt[] = []
  /** Part of every id: `wamid.TAG.1`, idempotency key `TAG-1`, reply `TAG reply 1`. */
  readonly tag: string
  readonly #drill: Drill
  readonly #stop: string
  #end: Promise<Result> | undefined

  private constructor(drill: Drill, tag: string) {
    this.#drill = drill
    this.tag = tag
    this.#stop = `/dev/shm/${tag}.stop`
  }

  /**
   * Starts it, and the stand-in for WhatsApp where there is none; resolves when both kinds flow.
   *
   * @param name of a client that is made on the host for the agent
   */
  static async start(drill: Drill, host: Host, name: string): Promise<Traffic> {
    const { numberId: number } = await standInFor(drill, host)
    const tag = `${name}${randomBytes(4).toString('hex')}`
    const traffic = new Traffic(drill, tag)
    const order = {
      ...{ url: `https://${DOMAIN}`, key: await mintAgent(host, tag, number), stop: traffic.#stop, tag },
      secret: drill.world.material.canaries.wa_app_secret,
      ...{ number, account: ACCOUNT, customer: CUSTOMER },
    }
    const program = '/project/node_modules/.bin/node /project/tests/drill/probes/steady.ts'
    traffic.#end = drill.world.network.client(
      // Two authorities: that of the ACME server, and the one whose certificates may have grown old.
      ['sh', '-c', `cat /root/*.pem > /dev/shm/roots; NODE_EXTRA_CA_CERTS=/dev/shm/roots exec ${program}`],
      { input: JSON.stringify(order), limit: LIMIT_S, mayFail: true, onLine: (line) => traffic.#take(line) },
    )
    await until('steady traffic', 30, async () => {
      const flows = (what: string) => traffic.attempts.some((one) => one.what === what && one.ok)
      return (flows('delivery') && flows('send')) || undefined
    })
    return traffic
  }

  /**
   * Seconds from a moment until deliveries were acknowledged again, one after the other: 0 when none begun after it failed,
   * `undefined` while that is not certain.
   *
   * @param from milliseconds since 1970
   */
  backAfter(from: number): number | undefined {
    const deliveries = this.attempts.filter(({ what }) => what === 'delivery')
    const seen = deliveries.filter(({ started }) => started >= from)
    const lastFailed = Math.max(0, ...seen.filter(({ ok }) => !ok).map(({ started }) => started))
    const next = seen.filter(({ ok, started }) => ok && started > lastFailed)
    if (next.length < IN_A_ROW) return undefined
    // An earlier one that is still without an answer may yet fail.
    const newest = Math.max(...deliveries.filter(({ n }) => n === 0).map(({ id }) => Number(id)))
    if (deliveries.filter(({ n }) => n === 0).length < newest) return undefined
    return lastFailed === 0 ? 0 : (Math.min(...next.map(({ ended }) => ended)) - from) / 1000
  }

  /** Ids begun and not acknowledged. */
  open(what: Attempt['what']): readonly string[] {
    const all = this.attempts.filter((one) => one.what === what)
    const done = new Set(all.filter(({ ok }) => ok).map(({ id }) => id))
    return [...new Set(all.map(({ id }) => id))].filter((id) => !done.has(id))
  }

  /** Begins nothing new, and waits a minute at most for what is under way. @throws Error when the probe itself broke */
  async stop(): Promise<readonly Attempt[]> {
    await this.#drill.world.network.client(['touch', this.#stop])
    const result = await this.#end
    if (result?.code !== 0) throw new Error(`the steady traffic broke off\n${result?.stderr.slice(-2000)}`)
    return this.attempts
  }

  #take(line: string): void {
    if (line.startsWith('{')) this.attempts.push(attemptSchema.parse(JSON.parse(line)))
  }
}

/** @returns a key of a new client that may send from the number, as often as it likes */
async function mintAgent(host: Host, client: string, number: string): Promise<string> {
  const admin = (...argv: string[]) => host.exec([...ADMIN, ...argv])
  await admin('clients', 'create', '--name', client, '--display-name', 'Drill')
  await admin('grants', 'add', '--client', client, '--phone', number, '--verbs', 'read,send')
  const limits = ['--rpm', '1000', '--daily', '100000', '--scopes', 'tools:send_message']
  const minted = await admin('keys', 'mint', '--client', client, '--label', 'drill', ...limits)
  const key = /wamcp_live_[a-z2-7]{28}/.exec(minted.stderr)?.[0]
  if (key === undefined) throw new Error('keys mint printed no key')
  return key
}
