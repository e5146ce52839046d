import * as z from 'zod'
import type { ArchiveReport } from './archive.ts'
import { sign } from './head.ts'
import type { Input, Outcome } from './program.ts'

const LIMIT = 60
/** Every row of years is read. */
const VERIFY_LIMIT = 600
/** Slowest line that is still of use. */
const BYTES_PER_SECOND = 100_000

/** Exit codes of receive.sh, and of ssh itself. */
const OTHER_FILE = 4
const TRANSPORT = 255

/** SHA-256 in hexadecimal of each file that the far side holds, by name. */
export type Holdings = ReadonlyMap<string, string>

/** A way to the far side: ssh.ts. */
export interface Transport extends AsyncDisposable {
  /** For messages. */
  readonly place: string
  /** Runs a verb of receive.sh over there. */
  run(verb: string, seconds: number, input?: Input): Promise<Outcome>
  /** Private key of this host, for signatures. */
  readonly keyFile: string
}

/** The far side has another file under a name of ours. Sending again would not help. */
export class OtherFile extends Error {}

/** The archive on the other machine, through the one command that this host's key is allowed: receive.sh. */
export class RemoteArchive {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async list(): Promise<Holdings> {
    return parseHoldings(await this.#ask('list', VERIFY_LIMIT))
  }

  /** Stores a file once. @throws OtherFile when the name holds something else */
  async put(name: string, sha256: string, content: Input, bytes: number): Promise<void> {
    const seconds = LIMIT + Math.ceil(bytes / BYTES_PER_SECOND)
    await this.#ask(`put ${name} ${sha256}`, seconds, content)
  }

  /** Lets the far side check all it holds. */
  async verify(): Promise<ArchiveReport> {
    const outcome = await this.#transport.run('verify', VERIFY_LIMIT)
    // It also ends with 1 after a report of faults.
    const report = parseReport(outcome.stdout)
    if (report === undefined) throw this.#explain(outcome, VERIFY_LIMIT)
    return report
  }

  /** Signs with the key of this host, see head.ts. */
  sign(text: string): Promise<string> {
    return sign(text, this.#transport.keyFile)
  }

  async #ask(verb: string, seconds = LIMIT, input: Input = ''): Promise<string> {
    const outcome = await this.#transport.run(verb, seconds, input)
    if (outcome.code !== 0) throw this.#explain(outcome, seconds)
    return outcome.stdout
  }

  #explain({ code, stderr }: Outcome, seconds: number): Error {
    const archive = `the audit archive at ${this.#transport.place}`
    const said = stderr.split('\n').at(-1) || `exit code ${code}`
    if (code === OTHER_FILE) return new OtherFile(said)
    if (code === TRANSPORT) return new Error(`${archive} cannot be reached: ${said}`)
    if (code === 124) return new Error(`${archive} gave no answer within ${seconds} s`)
    return new Error(`${archive} says: ${said}`)
  }
}

function parseHoldings(text: string): Holdings {
  const held = new Map<string, string>()
  for (const row of text.split('\n').filter(Boolean)) {
    const [, sha256, name] = /^([0-9a-f]{64}) {2}\.\/(\S+)$/.exec(row) ?? []
    if (sha256 === undefined || name === undefined)
      throw new Error('the audit archive answers with something else than a list: is receive.sh its command?')
    held.set(name, sha256)
  }
  return held
}

const reportSchema = z.object({
  ok: z.boolean(),
  segments: z.number(),
  rows: z.number(),
  last: z.number(),
  restores: z.array(z.number()),
  newest: z.string().optional(),
  age_seconds: z.number().optional(),
  pauses: z.array(z.object({ after: z.string(), before: z.string(), minutes: z.number() })),
  faults: z.array(z.string()),
}) satisfies z.ZodType<ArchiveReport>

function parseReport(text: string): ArchiveReport | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return reportSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
