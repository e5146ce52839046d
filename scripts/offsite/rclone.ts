import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import * as z from 'zod'
import type { OffsiteSettings } from '../../secrets/remotes.ts'
import { childOutput } from '../lib/child-output.ts'
import { Fail } from '../lib/fail.ts'
import { openPrivateDirectory } from '../lib/private-directory.ts'

/** rclone was killed: by its time limit or by the caller. */
export class Ended extends Error {}

const NEXT = 'see what it means in docs/operations/offsite.md; nothing is lost, and the same command goes on'

/** Name of the one remote in our configuration. */
const NAME = 'far'

const FLAGS = [
  ...['--contimeout', '15s', '--timeout', '30s', '--retries', '1', '--low-level-retries', '3'],
  ...['--ask-password=false', '--use-json-log', '--stats', '1s', '--stats-log-level', 'NOTICE'],
] as const

/** What rclone would otherwise do beyond reading, listing and writing: a credential of ours may not, and need not. */
const DEFAULTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sftp: { shell_type: 'none', disable_hashcheck: 'true', set_modtime: 'false', ask_password: 'false' },
  s3: { no_check_bucket: 'true' },
}

/** Options that are no secret, and that help in an error. */
const PUBLIC = ['type', 'path', 'host', 'port', 'user', 'endpoint', 'region', 'provider', 'known_hosts']

export interface RunOptions {
  /** until it is given up */
  readonly seconds: number
  readonly input?: string
  /** bytes moved so far */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** rclone with a configuration in memory that holds one remote. */
export interface Rclone extends AsyncDisposable {
  /** Key files for a run live here too, on tmpfs. */
  readonly directory: string
  /** The remote's name for a path, as an argument. */
  at(path: string): string
  /** @throws Fail with what rclone says; no option's value is part of it */
  run(argv: readonly string[], o: RunOptions): Promise<string>
  /** For streams; `done` tells of success. */
  start(argv: readonly string[], o: RunOptions): Started
}

export interface Started {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly done: Promise<void>
  kill(): void
}

/** Writes the configuration; it is gone when the result is disposed of. */
export async function openRclone(settings: OffsiteSettings): Promise<Rclone> {
  const home = await openPrivateDirectory()
  const config = join(home.path, 'rclone.conf')
  try {
    await writeFile(config, await configOf(settings, home.path), { mode: 0o600 })
  } catch (error) {
    await home.remove()
    throw error
  }
  const clean = redactor(settings)
  const start: Rclone['start'] = (argv, o) => startRclone(config, home.path, argv, { ...o, clean })
  return {
    directory: home.path,
    at: (path) => `${NAME}:${settings.path.replace(/\/+$/, '')}/${path}`,
    start,
    async run(argv, o) {
      const { stdin, stdout, done } = start(argv, o)
      stdin.end(o.input ?? '')
      const output = text(stdout)
      // Why it failed is told by its end, and not by its output's.
      output.catch(() => undefined)
      await done
      return await output
    },
    [Symbol.asyncDispose]: () => home.remove(),
  }
}

async function configOf(settings: OffsiteSettings, directory: string): Promise<string> {
  const { path: _, key_pem: key, known_hosts: hosts, ...options } = settings
  const lines: Record<string, unknown> = { ...DEFAULTS[settings.type], ...options }
  const asFile = async (option: string, text: string | undefined): Promise<void> => {
    if (text === undefined) return
    lines[option] = join(directory, option)
    await writeFile(join(directory, option), `${text.trim()}\n`, { mode: 0o600 })
  }
  await asFile('key_file', key)
  await asFile('known_hosts_file', hosts)
  const assignments = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`)
  return `[${NAME}]\n${assignments.join('')}`
}

function redactor(settings: OffsiteSettings): (text: string) => string {
  const secrets = Object.entries(settings).flatMap(([name, value]) =>
    PUBLIC.includes(name) || typeof value !== 'string' || value.length < 6 ? [] : [value],
  )
  return (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, '‹redacted›'), text)
}

const logLine = z.object({
  level: z.string(),
  msg: z.string(),
  object: z.string().optional(),
  stats: z.object({ bytes: z.number() }).optional(),
})

function startRclone(
  config: string,
  home: string,
  argv: readonly string[],
  o: RunOptions & { clean: (text: string) => string },
): Started {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(
    'rclone',
    ['--config', config, ...FLAGS, ...argv],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment(home),
      timeout: o.seconds * 1000,
      killSignal: 'SIGKILL',
    },
  )
  const stdout = childOutput(child.stdout)
  const problems: string[] = []
  let rest = ''
  child.stderr.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const said = readLine(line)
      if (said?.stats) o.onBytes?.(said.stats.bytes)
      else if (said?.level === 'error') problems.push(said.object ? `${said.object}: ${said.msg}` : said.msg)
      else if (said === undefined && line.includes('Failed to'))
        problems.push(line.replace(/^[\d/]+ [\d:]+ /, ''))
    }
  })
  // A child that ends early is judged by what it says, not by the broken pipe.
  child.stdin.on('error', () => undefined)
  const done = new Promise<void>((resolve, reject) => {
    child.on('error', () => reject(new Fail('rclone cannot be run', { next: 'apt-get install rclone' })))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      if (signal) return reject(new Ended(`rclone ${argv[0]} was ended; its limit is ${o.seconds} s`))
      const why = problems.slice(0, 3).join('; ').replace(/\s+/g, ' ') || `exit code ${code}`
      reject(new Fail(`rclone ${argv[0]}: ${o.clean(why)}`, { next: NEXT }))
    })
  })
  done.catch(() => undefined)
  return { stdin: child.stdin, stdout, done, kill: () => child.kill('SIGKILL') }
}

function readLine(line: string): z.infer<typeof logLine> | undefined {
  if (!line.startsWith('{')) return undefined
  const parsed = logLine.safeParse(JSON.parse(line))
  return parsed.success ? parsed.data : undefined
}

/** Not our whole environment: an RCLONE_… of the operator's shell would change what is done here. */
function environment(home: string): Record<string, string> {
  const kept = ['PATH', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'SSL_CERT_FILE', 'SSL_CERT_DIR']
  const given = kept.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { ...Object.fromEntries(given), HOME: home, LC_ALL: 'C.UTF-8' }
}
