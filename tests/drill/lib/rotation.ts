import * as z from 'zod'
import { REPOSITORY } from './bootstrap.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { ADMIN, DOMAIN } from './network.ts'
import { until } from './progress.ts'
import type { RunOptions } from './run.ts'
import { tail } from './run.ts'

const NODE = `${REPOSITORY}/node_modules/.bin/node`
const STOP = '/dev/shm/asking-stop'

const reportSchema = z.object({
  ok: z.boolean(),
  steps: z.array(z.object({ title: z.string(), state: z.string(), detail: z.string().optional() })),
  next: z.array(z.string()).optional(),
})
const askedSchema = z.object({ asked: z.number(), failed: z.number(), longest: z.number() })
const seenSchema = z.object({ ping: z.unknown() })
const mcpSchema = z.object({ legacy: seenSchema, modern: seenSchema })

export type RotationReport = z.infer<typeof reportSchema>

/** Rotates on a host as its operator does, and keeps every secret it comes by, to search for them all at the end. */
export class Operator {
  readonly secrets = new Set<string>()
  readonly #drill: Drill
  readonly #host: Host

  constructor(drill: Drill, host: Host) {
    this.#drill = drill
    this.#host = host
  }

  /** Runs a script of the repository. */
  run(script: string, args: readonly string[], options: RunOptions = {}) {
    return this.#host.exec([NODE, `${REPOSITORY}/scripts/${script}`, ...args], {
      mayFail: true,
      limit: 500,
      ...options,
    })
  }

  /** Rotates, and expects it to succeed with every proof. @param input a value only a person knows */
  async rotate(verb: string, args: readonly string[] = [], input?: string): Promise<RotationReport> {
    await this.remember()
    if (input) this.secrets.add(input)
    const result = await this.run('rotate.ts', [verb, ...args, '--json'], input ? { input } : {})
    const title = ['rotate', verb, ...args].join(' ')
    const report = parse(result.stdout)
    this.#drill.expect(title, result.code === 0 && report?.ok === true, tail(result.stderr, 15))
    await this.remember()
    const shown = [...this.secrets].filter((secret) => (result.stdout + result.stderr).includes(secret))
    this.#drill.expect(`${title}: prints no secret`, shown.length === 0, `${shown.length} secrets`)
    return report ?? { ok: false, steps: [] }
  }

  /** A rotation that must end with this code. */
  async refused(code: number, verb: string, args: readonly string[], words: RegExp): Promise<void> {
    const result = await this.run('rotate.ts', [verb, ...args])
    const title = ['rotate', verb, ...args, `ends with ${code}`].join(' ')
    this.#drill.expect(title, result.code === code && words.test(result.stderr), tail(result.stderr, 5))
  }

  /** Takes note of all secrets that are in effect. */
  async remember(): Promise<void> {
    const script =
      'find /run/whatsapp-mcp/secrets -type f -exec sh -c \'cat "$1"; echo\' sh {} \\;; cat /etc/whatsapp-mcp/age.key'
    const { stdout } = await this.#host.sh(script)
    // When a grace ends is no secret.
    const isSecret = (line: string) => line.length >= 16 && !/^\d{4}-\d\d-\d\dT/.test(line)
    for (const line of stdout.split('\n').filter(isSecret)) this.secrets.add(line)
  }

  async reboot(): Promise<void> {
    await this.#host.reboot()
    await until(
      'health after the reboot',
      120,
      async () => {
        const answer = await this.#drill.world.network.client(
          [
            ...['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '2'],
            ...['--cacert', '/root/acme-root.pem', `https://${DOMAIN}/health`],
          ],
          { mayFail: true },
        )
        return answer.stdout === '200' || undefined
      },
      2,
    )
  }

  async mintKey(client: string, options: readonly string[] = []): Promise<string> {
    const admin = (...argv: string[]) => this.#host.exec([...ADMIN, ...argv], { mayFail: true })
    await admin('clients', 'create', '--name', client, '--display-name', client)
    const minted = await admin('keys', 'mint', '--client', client, '--label', 'rotation', ...options)
    const token = /wamcp_live_[a-z2-7]{28}/.exec(minted.stderr)?.[0]
    if (token === undefined) throw new Error(`keys mint printed no key: ${minted.stderr}`)
    this.secrets.add(token)
    return token
  }

  #probe(name: string, input: unknown, limit = 60) {
    const program = `/project/tests/drill/probes/${name}.ts`
    const argv = [
      'env',
      'NODE_EXTRA_CA_CERTS=/root/acme-root.pem',
      '/project/node_modules/.bin/node',
      program,
    ]
    return this.#drill.world.network.client(argv, { input: JSON.stringify(input), limit, mayFail: true })
  }

  /** Whether a new client of each era gets in with the key and has its ping answered. */
  async getsIn(key: string): Promise<boolean> {
    const result = await this.#probe('mcp', { url: `https://${DOMAIN}/mcp`, key })
    const seen = mcpSchema.safeParse(result.code === 0 ? JSON.parse(result.stdout) : undefined)
    return (
      seen.success &&
      [seen.data.legacy, seen.data.modern].every(({ ping }) => /ok/.test(JSON.stringify(ping)))
    )
  }

  /** Has the customer send a picture. @returns a link to it */
  async mediaLink(key: string): Promise<string> {
    const phone = this.#drill.standIn?.phone
    const result = await this.#probe('media-link', { url: `https://${DOMAIN}/mcp`, key, phone })
    return z.object({ link: z.url() }).parse(JSON.parse(result.stdout || '{}')).link
  }

  async follow(link: string): Promise<string> {
    const curl = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '5']
    const { client } = this.#drill.world.network
    return (await client([...curl, '--cacert', '/root/acme-root.pem', link], { mayFail: true })).stdout
  }

  /** One client that stays connected and keeps asking while `work` is done. */
  async connected(key: string, work: () => Promise<void>): Promise<z.infer<typeof askedSchema>> {
    const { client } = this.#drill.world.network
    await client(['rm', '-f', STOP])
    const asking = this.#probe('asking', { url: `https://${DOMAIN}/mcp`, key, stop: STOP }, 600)
    await work().finally(() => client(['touch', STOP]))
    const { stdout, stderr } = await asking
    const parsed = askedSchema.safeParse(stdout.startsWith('{') ? JSON.parse(stdout) : undefined)
    if (!parsed.success) throw new Error(`the connected client printed no result\n${tail(stderr, 10)}`)
    return parsed.data
  }

  /** What an operator does at Meta. */
  async atMeta(order: { tokens?: readonly string[]; appSecret?: string }): Promise<void> {
    const at = new URL('/meta', this.#drill.standIn?.phone)
    await this.#drill.world.network.client(['curl', '-sf', '--data-binary', '@-', at.href], {
      input: JSON.stringify(order),
    })
  }
}

function parse(stdout: string): RotationReport | undefined {
  if (!stdout.trimStart().startsWith('{')) return undefined
  return reportSchema.safeParse(JSON.parse(stdout)).data
}
