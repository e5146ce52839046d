import * as z from 'zod'
import type { Host } from '../host.ts'

const access = z.looseObject({
  ts: z.iso.datetime({ offset: true }),
  rid: z.string(),
  method: z.string(),
  uri: z.string(),
  status: z.number(),
  bytes: z.number(),
  rt: z.number(),
  urt: z.string(),
  ip: z.string(),
  tls: z.string(),
  limit: z.string(),
})
export type Access = z.infer<typeof access>
const request = z.looseObject({ msg: z.string(), rid: z.string().optional(), ip: z.string().optional() })

export interface Testimony {
  /** nginx's access log, a line a request. */
  readonly nginx: readonly Access[]
  /** What the app said. */
  readonly app: readonly z.infer<typeof request>[]
  /** Lines of the two that are not what they must be. */
  readonly unreadable: readonly string[]
  /** All of it as it came, error logs included. */
  readonly text: string
}

/** Remembers the moment, and tells later what nginx and the app have logged since: what the other side saw. */
export class Witness {
  readonly #host: Host
  readonly #since: string

  private constructor(host: Host, since: string) {
    this.#host = host
    this.#since = since
  }

  static async call(host: Host): Promise<Witness> {
    return new Witness(host, (await host.exec(['date', '-u', '+%FT%T.%NZ'])).stdout.trim())
  }

  async testify(): Promise<Testimony> {
    const nginx = await this.#logs('nginx')
    const app = await this.#logs('app')
    const unreadable: string[] = []
    const read = <T>(text: string, schema: z.ZodType<T>): T[] =>
      text.split('\n').flatMap((line) => {
        if (line === '') return []
        const parsed = schema.safeParse(fromJson(line))
        if (!parsed.success) unreadable.push(line)
        return parsed.success ? [parsed.data] : []
      })
    const found = { nginx: read(nginx.stdout, access), app: read(app.stdout, request) }
    return { ...found, unreadable, text: [nginx, app].map(({ stdout, stderr }) => stdout + stderr).join('') }
  }

  /** Of all containers of the services that begin so. */
  async #logs(service: string): Promise<{ stdout: string; stderr: string }> {
    const names = [
      'docker',
      'ps',
      '-a',
      '--filter',
      `name=^whatsapp-mcp-${service}`,
      '--format',
      '{{.Names}}',
    ]
    const containers = (await this.#host.exec(names)).stdout.split('\n').filter(Boolean)
    if (containers.length === 0) throw new Error(`there is no container of ${service}`)
    const logs = await Promise.all(
      containers.map((name) => this.#host.exec(['docker', 'logs', '--since', this.#since, name])),
    )
    return {
      stdout: logs.map(({ stdout }) => stdout).join(''),
      stderr: logs.map(({ stderr }) => stderr).join(''),
    }
  }
}

function fromJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
