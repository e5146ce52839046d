import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { AuditSettings } from '../../secrets/remotes.ts'
import { openPrivateDirectory } from '../lib/private-directory.ts'
import type { ArchiveReport } from './archive.ts'
import { sign } from './head.ts'
import { type Input, type Outcome, runProgram } from './program.ts'

const LIMIT = 60
/** Every row of years is read. */
const VERIFY_LIMIT = 600
/** Slowest line that is still of use. */
const BYTES_PER_SECOND = 100_000

/** Exit codes of receive.sh, and of ssh itself. */
const OTHER_FILE = 4
const TRANSPORT = 255

export interface StoredFile {
  readonly line: string
  readonly name: string
  /** Hexadecimal. */
  readonly sha256: string
}

/** What the far side holds. */
export interface Holdings {
  /** Names of the lines, oldest first; the last may still be empty. */
  readonly lines: readonly string[]
  readonly files: readonly StoredFile[]
}

/** The far side has another file under a name of ours. Sending again would not help. */
export class OtherFile extends Error {}

/** The archive on the other machine, through the one command that this host's key is allowed. */
export interface RemoteArchive extends AsyncDisposable {
  list(): Promise<Holdings>
  /** Makes a new line; one that is there is left as it is. */
  begin(line: string): Promise<void>
  /** Stores a file once. @throws OtherFile when the name holds something else */
  put(file: StoredFile, content: Input, bytes: number): Promise<void>
  /** Lets the far side check all it holds. */
  verify(): Promise<ArchiveReport>
  /** Signs with the key of this host, see head.ts. */
  sign(text: string): Promise<string>
}

const reportSchema = z.object({
  ok: z.boolean(),
  lines: z.array(
    z.object({
      name: z.string(),
      continues: z.object({ line: z.string(), row: z.number() }).optional(),
      segments: z.number(),
      rows: z.number(),
      last: z.number(),
      signed: z.number(),
    }),
  ),
  newest: z.string().optional(),
  age_seconds: z.number().optional(),
  pauses: z.array(z.object({ after: z.string(), before: z.string(), minutes: z.number() })),
  faults: z.array(z.string()),
})

/**
 * Opens one connection that all commands share. Key and host keys lie in memory until the result is disposed of.
 * Nothing is sent before the first command.
 */
export async function openArchive(settings: AuditSettings): Promise<RemoteArchive> {
  const home = await openPrivateDirectory()
  const place = `${settings.host}:${settings.port}`
  const keyFile = join(home.path, 'key')
  const options = optionsFor(settings, home.path)
  const run = (verb: string, seconds: number, input?: Input): Promise<Outcome> =>
    runProgram('ssh', [...options, '--', settings.host, verb], {
      seconds,
      ...(input === undefined ? {} : { input }),
    })
  const ask = async (verb: string, seconds = LIMIT, input?: Input): Promise<string> => {
    const outcome = await run(verb, seconds, input)
    if (outcome.code !== 0) throw explain(outcome, place, seconds)
    return outcome.stdout
  }
  try {
    await writeFile(keyFile, `${settings.key.trim()}\n`, { mode: 0o600 })
    await writeFile(join(home.path, 'known_hosts'), `${settings.known_hosts.trim()}\n`, { mode: 0o600 })
  } catch (error) {
    await home.remove()
    throw error
  }
  return {
    list: async () => parseHoldings(await ask('list', VERIFY_LIMIT)),
    begin: async (line) => void (await ask(`begin ${line}`)),
    put: async ({ line, name, sha256 }, content, bytes) => {
      const seconds = LIMIT + Math.ceil(bytes / BYTES_PER_SECOND)
      await ask(`put ${line} ${name} ${sha256}`, seconds, content)
    },
    verify: async () => {
      const outcome = await run('verify', VERIFY_LIMIT)
      // It also ends with 1 after a report of faults.
      const report = outcome.stdout.startsWith('{') ? parseReport(outcome.stdout) : undefined
      if (report === undefined) throw explain(outcome, place, VERIFY_LIMIT)
      return report
    },
    sign: (text) => sign(text, keyFile),
    [Symbol.asyncDispose]: async () => {
      await runProgram('ssh', [...options, '-O', 'exit', '--', settings.host], { seconds: LIMIT })
      await home.remove()
    },
  }
}

/** Nothing of the machine's own configuration: what holds here must hold everywhere. */
function optionsFor(settings: AuditSettings, directory: string): string[] {
  const options = [
    `IdentityFile=${join(directory, 'key')}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `UserKnownHostsFile=${join(directory, 'known_hosts')}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    'PreferredAuthentications=publickey',
    'ConnectTimeout=15',
    'ServerAliveInterval=10',
    'ServerAliveCountMax=3',
    'ControlMaster=auto',
    `ControlPath=${join(directory, 'socket')}`,
    'ControlPersist=30',
    'LogLevel=ERROR',
  ]
  return [
    ...['-F', '/dev/null', '-T', '-p', String(settings.port), '-l', settings.user],
    ...options.flatMap((option) => ['-o', option]),
  ]
}

function parseHoldings(text: string): Holdings {
  const lines: string[] = []
  const files: StoredFile[] = []
  for (const row of text.split('\n').filter(Boolean)) {
    const [, line] = /^line (\S+)$/.exec(row) ?? []
    const [, sha256, within, name] = /^([0-9a-f]{64}) {2}\.\/(\S+?)\/(\S+)$/.exec(row) ?? []
    if (line !== undefined) lines.push(line)
    else if (sha256 && within && name) files.push({ line: within, name, sha256 })
    else throw new Error('the archive answers with something else than a list: is receive.sh its command?')
  }
  return { lines: lines.sort(), files }
}

function parseReport(text: string): ArchiveReport | undefined {
  try {
    return reportSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

function explain({ code, stderr }: Outcome, place: string, seconds: number): Error {
  const said = stderr.split('\n').at(-1) ?? ''
  if (code === OTHER_FILE) return new OtherFile(said)
  if (code === TRANSPORT) return new Error(`the audit archive at ${place} cannot be reached: ${said}`)
  if (code === 124) return new Error(`the audit archive at ${place} gave no answer within ${seconds} s`)
  return new Error(`the audit archive at ${place} says: ${said || `exit code ${code}`}`)
}
