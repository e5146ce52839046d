import tls from 'node:tls'
import { $ } from 'zx'
import { Fail, lastLines, Refused } from '../lib/fail.ts'
import { type Place, placeIn } from '../lib/place.ts'
import { fetchFrom } from '../lib/request.ts'
import { ADMIN, COMPOSE, domainOfThisHost, ROOT } from '../lib/stack.ts'
import { PSQL } from '../lib/superuser.ts'

export interface Output {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface RunOptions {
  /** Text for standard input; the way secrets travel. */
  readonly input?: string
  /** Give up after so many seconds; default 60. */
  readonly seconds?: number
  /** Give back a failure instead of throwing. */
  readonly mayFail?: boolean
}

/** Runs a program without a shell line made from data. Tests put a recorder in its place. */
export type Run = (argv: readonly string[], o?: RunOptions) => Promise<Output>

/** What a rotation works on. */
export interface Host {
  readonly root: string
  readonly place: Place
  /** The installed age key. */
  readonly ageKey: string
  /** Where the secrets are decrypted to. */
  readonly secrets: string
  /** False where there is no root to give files to their containers. */
  readonly chown: boolean
  readonly run: Run
  /** Asks the server under its public name, whatever DNS says. */
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>
}

/**
 * The host this runs on.
 * @throws Refused without root, or where the bootstrap has not been
 */
export async function thisHost(): Promise<Host> {
  if (process.getuid?.() !== 0) {
    throw new Refused('only root can replace the secrets of this host', {
      next: 'run the same command as root',
    })
  }
  const domain = await domainOfThisHost().catch((cause: unknown) => {
    throw new Refused('this host is not set up', { next: './bootstrap/run.sh', cause })
  })
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])
  const fetch = fetchFrom('127.0.0.1')
  return {
    root: ROOT,
    place: placeIn(ROOT),
    ageKey: '/etc/whatsapp-mcp/age.key',
    secrets: '/run/whatsapp-mcp/secrets',
    chown: true,
    run,
    ask: (path, init) => fetch(`https://${domain}${path}`, init),
  }
}

const run: Run = async (argv, o = {}) => {
  const seconds = o.seconds ?? 60
  const result = await $({
    quiet: true,
    nothrow: true,
    timeout: `${seconds}s`,
    input: o.input ?? '',
  })`${argv}`
  const output = { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode ?? 1 }
  if (output.exitCode !== 0 && o.mayFail !== true) {
    throw new Fail(`exit ${output.exitCode} from: ${argv.join(' ')}`, {
      next: 'mend the cause shown above, then run the same command again',
      output: lastLines(`${output.stdout}${output.stderr}`),
    })
  }
  return output
}

/** The server's commands for its operator. */
export function admin(host: Host, args: readonly string[], o: RunOptions = {}): Promise<Output> {
  return host.run(['docker', ...COMPOSE, ...ADMIN, ...args], o)
}

/** Runs a script of psql as superuser over the local socket, which wants no password. */
export function psql(host: Host, script: string, o: RunOptions = {}): Promise<Output> {
  return host.run(['docker', ...COMPOSE, 'exec', '-T', 'postgres', ...PSQL], { ...o, input: script })
}

/**
 * Which of the files that hold secrets differ from the last commit, relative to the repository. `[]` outside of git.
 */
export async function uncommitted({ root, run }: Host): Promise<string[]> {
  const files = ['.sops.yaml', 'secrets/secrets.enc.yaml']
  const status = await run(['git', '-C', root, 'status', '--porcelain', '--', ...files], { mayFail: true })
  if (status.exitCode !== 0) return []
  return files.filter((file) => status.stdout.split('\n').some((line) => line.endsWith(` ${file}`)))
}
