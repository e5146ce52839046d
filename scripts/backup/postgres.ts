import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { childOutput } from '../lib/child-output.ts'
import { Fail, lastLines } from '../lib/fail.ts'
import { POSTGRES } from '../lib/stack.ts'

/** How to run the database's own programs, so that their version is always the server's. */
export interface PostgresTools {
  /** what comes before the program, such as `docker exec -i CONTAINER`; it must pass standard input on */
  readonly prefix: readonly string[]
  readonly user: string
  readonly database: string
  /** application name of its connections; see {@link guarded} */
  readonly label?: string
}

const LIMIT_SECONDS = 4 * 3600
/** In the container the unit's own priority counts for nothing, and who asks the database for messages comes first. */
const LAST = ['nice', '-n', '19'] as const
/** A table that stays locked so long is being changed: rather fail, and try again later. */
const LOCKS = '--lock-wait-timeout=60s'

/**
 * Waits beside the work, in the container. `docker exec` that is killed leaves its program alone there, and a dump nobody
 * reads would hold its transaction open: when our end of standard input goes without a word, this ends its connections.
 * It has no children: the postmaster is process 1 and takes the death of an orphan for a crash of the database.
 */
const GUARD = 'echo ready; read -r word && [ "$word" = done ] || exec "$@"'

/** `pg_restore` with several jobs must seek, so the dump becomes a file first: one beside the data, where there is room. */
const RESTORE = `set -eu
bytes=$1; shift
rm -f /var/lib/postgresql/.restore.*
file=$(mktemp /var/lib/postgresql/.restore.XXXXXX)
trap 'rm -f "$file"' EXIT
head -c "$bytes" > "$file"
[ "$(wc -c < "$file")" -eq "$bytes" ] || { echo 'the dump did not arrive whole' >&2; exit 1; }
"$@" "$file" </dev/null`

/** pg_dump writes 4 kB at a time, and several processes pass each on to us: so it is gathered first. Ends as the program did. */
const IN_BLOCKS = `exec 3>&1
code=$({ { "$@" 3>&- 4>&-; echo $? >&4; } | dd ibs=64k obs=256k status=none 4>&-; } 4>&1 >&3 3>&-) || exit 1
exit "$code"`

/** The stack's database, over the socket in its own container, which asks for no password. */
export function composePostgres(user: 'wa_backup' | 'postgres', database = 'wa_mcp'): PostgresTools {
  // `docker compose exec` would look for it anew at every start, which takes as long again.
  return { prefix: ['docker', 'exec', '-i', POSTGRES], user, database }
}

/** A running program. */
export interface Tool {
  readonly stdin: Writable
  readonly stdout: Readable
  /** Resolves when it ended well. @throws {Fail} with its own last lines */
  readonly done: Promise<void>
}

export interface ToolOptions {
  /** Ends the program. */
  readonly signal?: AbortSignal
  readonly seconds?: number
}

/** Starts a program of the database. Its standard input is ours to end. */
export function startTool(tools: PostgresTools, argv: readonly string[], o: ToolOptions = {}): Tool {
  const label = tools.label === undefined ? [] : ['env', `PGAPPNAME=${tools.label}`]
  const [command = '', ...rest] = [...tools.prefix, ...label, ...argv]
  const child = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: (o.seconds ?? LIMIT_SECONDS) * 1000,
    ...(o.signal && { signal: o.signal }),
  })
  const stdout = childOutput(child.stdout)
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = lastLines(said + text)
  })
  // A program that ends before it has read everything is judged by its exit code.
  child.stdin.on('error', () => undefined)
  const name = argv.find((word) => /^(pg_|psql)/.test(word)) ?? argv[0]
  const done = new Promise<void>((resolve, reject) => {
    child.on('error', (cause) => reject(toFail(`${name} was stopped or cannot be run`, said, cause)))
    child.on('close', (code, signal) =>
      code === 0 ? resolve() : reject(toFail(`${name} ended with ${signal ?? code}`, said)),
    )
  })
  // Whoever started it may look only after another part has failed.
  done.catch(() => undefined)
  return { stdin: child.stdin, stdout, done }
}

/**
 * Does work whose connections must not outlive it, however it ends, and be it by the death of this process.
 * @param work gets tools whose connections are known by their label
 */
export async function guarded<T>(
  tools: PostgresTools,
  work: (tools: PostgresTools) => Promise<T>,
): Promise<T> {
  const label = `whatsapp-mcp-${randomUUID()}`
  const end = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${label}'`
  const psql = ['psql', '-X', '-q', '-o', '/dev/null', ...connection(tools), '-c', end]
  const guard = startTool(tools, ['sh', '-c', GUARD, 'sh', ...psql])
  await Promise.race([once(guard.stdout, 'data'), guard.done])
  try {
    const value = await work({ ...tools, label })
    guard.stdin.end('done\n')
    await guard.done
    return value
  } catch (error) {
    guard.stdin.end()
    // What failed first is what is told.
    await guard.done.catch(() => undefined)
    throw error
  }
}

function toFail(message: string, output: string, cause?: unknown): Fail {
  return new Fail(message, {
    next: 'see that the database runs and has room: docker compose ls; df -h /var/lib',
    output,
    cause,
  })
}

/** `-h` is left out everywhere: the socket. */
function connection(tools: PostgresTools, database = tools.database): string[] {
  return ['--username', tools.user, '--dbname', database]
}

/** Arguments of a psql that reads from standard input and prints bare rows. */
export function psqlCommand(tools: PostgresTools, separator: string, missing: string): string[] {
  const form = ['-X', '-q', '-A', '-t', '-F', separator, '-P', `null=${missing}`, '-v', 'ON_ERROR_STOP=1']
  return ['psql', ...form, ...connection(tools)]
}

/**
 * Starts a dump of one snapshot to standard output: custom format, which restores in parallel, compressed by zstd.
 * @param snapshot as `pg_export_snapshot()` gives it; its transaction must stay open
 */
export function dump(tools: PostgresTools, snapshot: string, o: ToolOptions = {}): Tool {
  const format = ['--format=custom', '--compress=zstd:6', '--snapshot', snapshot, '--no-password', LOCKS]
  const command = [...LAST, 'pg_dump', ...format, ...connection(tools)]
  return startTool(tools, ['sh', '-c', IN_BLOCKS, 'sh', ...command], o)
}

/** Starts a program that reads a whole dump from standard input, and fails when any of it is damaged or missing. */
export function readThrough(tools: PostgresTools, o: ToolOptions = {}): Tool {
  return startTool(tools, [...LAST, 'pg_restore', '--file=/dev/null'], o)
}

/**
 * Restores a dump into a database that exists and is empty; the roles must exist. Nothing is rolled back on failure: drop it.
 * @param file a custom-format dump on this host
 * @param o.jobs how many work side by side; default 2
 * @throws {Fail} at the first error
 */
export async function restore(
  tools: PostgresTools,
  file: string,
  into: string,
  o: ToolOptions & { jobs?: number } = {},
): Promise<void> {
  const { size } = await stat(file)
  await guarded(tools, async (labelled) => {
    const how = ['--exit-on-error', '--no-password', `--jobs=${o.jobs ?? 2}`, ...connection(tools, into)]
    const tool = startTool(labelled, ['sh', '-c', RESTORE, 'sh', String(size), 'pg_restore', ...how], o)
    tool.stdout.resume()
    await Promise.all([pipeline(createReadStream(file), tool.stdin).catch(ignoreClosed), tool.done])
  })
}

/** A program that no longer reads tells why by its exit code. */
function ignoreClosed(error: NodeJS.ErrnoException): void {
  if (!['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(error.code ?? '')) throw error
}
