import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openSync } from 'node:fs'
import { glob, mkdir, readFile, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fail, lastLines } from '../../scripts/lib/fail.ts'
import type { SmokeTarget } from '../../scripts/lib/smoke.ts'
import { newIdentity } from '../../secrets/age.ts'
import { writeAtomically } from '../../secrets/atomic.ts'
import { explode, inspectExploded } from '../../secrets/explode.ts'
import { readSecrets } from '../../secrets/file.ts'
import { parseIdentity } from '../../secrets/identity.ts'
import { Secret } from '../../secrets/secret.ts'
import type { Context, LocalSandbox } from './context.ts'
import { freePort, startPostgres } from './embedded-postgres.ts'
import { readIfThere } from './files.ts'
import { say } from './report.ts'
import type { Resource } from './resource.ts'

/** Meta's id of the sandbox's number. */
export const SANDBOX_NUMBER = '200000000000002'

/** Longer than the server takes to end in good order. */
const PATIENCE_MS = 20_000

const KEY = /wamcp_live_[a-z2-7]{28}/

/** What `--local` puts in place of Docker, certificates and systemd. All of it ends with the run. */

/** The server as production runs it: the same bundle, outside a container. */
export function serverBundle({ root, shell }: Context): Resource {
  const bundle = `${root}/dist/server.js`
  return {
    title: 'server bundle',
    async inspect() {
      const built = await stat(bundle).catch(() => undefined)
      if (built === undefined) return 'it is not built yet'
      for await (const source of glob(['server/**/*', 'secrets/*.ts', 'package-lock.json'], { cwd: root })) {
        if ((await stat(`${root}/${source}`)).mtimeMs > built.mtimeMs)
          return `${source} is newer than the bundle`
      }
      return undefined
    },
    async apply() {
      await shell({ next: 'npm ci' })`${process.execPath} ${root}/server/build.ts`
    },
  }
}

/** Throw-away keys in the same two roles a real host has. */
export function sandboxKeys({ paths }: Context): Resource {
  return {
    title: 'age keys',
    inspect: async () => ((await readIfThere(paths.ageKey)) === undefined ? 'there are none' : undefined),
    async apply() {
      await mkdir(paths.etc, { recursive: true, mode: 0o700 })
      for (const file of [paths.ageKey, `${paths.etc}/recovery.key`]) {
        await writeAtomically(file, `${(await newIdentity()).reveal()}\n`, 0o400)
      }
    },
  }
}

/** A real encrypted secrets file, decrypted the way a host does it at boot. */
export function sandboxSecrets({ paths, root, shell }: Context): Resource {
  const identityIn = async (path: string) => {
    const parsed = parseIdentity((await readIfThere(path)) ?? '')
    if (!parsed.ok) throw new Fail(`${path} holds no age key`, { next: 'start again' })
    return parsed.identity
  }
  const open = async () => readSecrets(paths.secretsFile, await identityIn(paths.ageKey))
  return {
    title: 'secrets',
    async inspect() {
      if ((await readIfThere(paths.secretsFile)) === undefined) return 'there is no secrets file'
      return (await inspectExploded(await open(), paths.secrets, { chown: false }))[0]
    },
    async apply() {
      const script = `${root}/scripts/secrets.ts`
      const repository = paths.secretsFile.replace('/secrets/secrets.enc.yaml', '')
      const keys = ['--host-key-file', paths.ageKey, '--recovery-key-file', `${paths.etc}/recovery.key`]
      const given = `wa_app_secret=${randomBytes(16).toString('hex')}\nwa_default_access_token=${randomBytes(24).toString('hex')}\n`
      await shell({ input: given })`${process.execPath} ${script} init --root ${repository} ${keys} --stdin`
      await explode(await open(), paths.secrets, { chown: false })
    },
  }
}

/** Real Postgres from an npm package, on a free port, in a directory of its own. */
export function sandboxPostgres(context: Context): Resource {
  const sandbox = sandboxOf(context)
  return {
    title: 'embedded Postgres',
    inspect: async () => (sandbox.databaseUrl === undefined ? 'it is not running' : undefined),
    async apply() {
      const password = await readFile(`${context.paths.secrets}/postgres/postgres_password`, 'utf8')
      const postgres = await startPostgres({ password: new Secret(password.trimEnd()) })
      sandbox.cleanUp.push(postgres.stop)
      sandbox.databaseUrl = `postgres://${postgres.host}:${postgres.port}/wa_mcp`
    },
  }
}

/** The server process, migrated and healthy. */
export function sandboxServer(context: Context): Resource {
  const sandbox = sandboxOf(context)
  return {
    title: 'server',
    inspect: async () => (sandbox.url === undefined ? 'it is not running' : undefined),
    async apply() {
      await serverCommand(context, ['migrate'])
      const port = sandbox.port ?? (await freePort())
      const logFile = `${context.paths.logs}/server.log`
      const env = {
        ...serverEnvironment(context),
        APP_HTTP_PORT: String(port),
        PUBLIC_URL: `http://127.0.0.1:${port}`,
        WA_GRAPH_URL: sandbox.whatsapp?.graph ?? '',
      }
      const log = openSync(logFile, 'a', 0o600)
      const child = spawn(process.execPath, [`${context.root}/dist/server.js`], {
        env,
        stdio: ['ignore', log, log],
      })
      sandbox.cleanUp.push(() => end(child))
      const url = `http://127.0.0.1:${port}`
      await waitForHealth(url, child, logFile)
      sandbox.url = url
    },
  }
}

/** How the smoke test reaches the sandbox. */
export async function sandboxTarget(context: Context): Promise<SmokeTarget> {
  const { whatsapp } = sandboxOf(context)
  return {
    ...(whatsapp && { standIn: { phone: `${whatsapp.phone}/smoke`, numberId: SANDBOX_NUMBER } }),
    url: sandboxOf(context).url ?? '',
    appSecret: new Secret((await readFile(`${context.paths.secrets}/app/wa_app_secret`, 'utf8')).trimEnd()),
    admin: (args) => serverCommand(context, args),
  }
}

/**
 * Tells the newcomer how to connect, and keeps the sandbox up until Ctrl-C.
 * @param once do neither: the smoke test was the point.
 */
export async function finishLocal(context: Context, once: boolean): Promise<void> {
  if (once) return
  const url = `${sandboxOf(context).url}/mcp`
  // Trying things out takes more calls than an agent at work.
  const rights = ['--scopes', '*', '--rpm', '600']
  const minted = await adminCommand(context, [
    'keys',
    'mint',
    '--client',
    'you',
    '--label',
    'sandbox',
    ...rights,
  ])
  const key = KEY.exec(minted.stderr)?.[0] ?? ''
  const entry = { type: 'http', url, headers: { Authorization: `Bearer ${key}` } }
  process.stdout.write(`
MCP endpoint  ${url}
API key       ${key}

For an MCP client's configuration:
${JSON.stringify({ mcpServers: { 'whatsapp-mcp': entry } }, null, 2)}

Or for Claude Code:
claude mcp add --transport http whatsapp-mcp ${url} --header "Authorization: Bearer ${key}"

Then play the customer, in another terminal:
npm run customer -- "Hello, when does my order arrive?"
and ask your agent to answer. What the customer sees:
npm run customer

`)
  say('Ctrl-C stops it and removes everything.')
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    // A pending promise alone does not keep the process alive.
    const alive = setInterval(() => undefined, 60_000)
    process.once('SIGINT', () => clearInterval(alive)).once('SIGTERM', () => clearInterval(alive))
  })
}

/** Runs one of the server's own commands, such as `migrate` or `keys mint`. */
export function serverCommand(context: Context, args: readonly string[]) {
  const consumer = args[0] === 'migrate' ? 'migrate' : 'app'
  const { PATH: _, ...env } = serverEnvironment(context, consumer)
  return context.shell({
    env,
    allowFailure: args[0] !== 'migrate',
  })`${process.execPath} ${context.root}/dist/server.js ${args}`
}

/** An admin command that the sandbox cannot do without. @throws Fail with its last lines */
export async function adminCommand(context: Context, args: readonly string[]) {
  const result = await serverCommand(context, args)
  if (result.exitCode === 0) return result
  throw new Fail(`server ${args.slice(0, 2).join(' ')} failed`, {
    next: 'read the lines above; a fresh try: ./bootstrap/run.sh --local',
    output: lastLines(result.stderr),
  })
}

function serverEnvironment(context: Context, consumer: 'app' | 'migrate' = 'app'): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    DATABASE_URL: sandboxOf(context).databaseUrl ?? '',
    SECRETS_DIR: `${context.paths.secrets}/${consumer}`,
    MEDIA_ROOT: `${context.paths.state}/media`,
    AUDIT_DIR: `${context.paths.state}/audit`,
  }
}

async function waitForHealth(url: string, child: ChildProcess, logFile: string): Promise<void> {
  const until = Date.now() + 15_000
  while (Date.now() < until && child.exitCode === null) {
    const response = await fetch(`${url}/health`).catch(() => undefined)
    if (response?.ok) return
    await sleep(50)
  }
  throw new Fail('the server did not become healthy', {
    next: 'read the lines above; a fresh try: ./bootstrap/run.sh --local',
    output: lastLines((await readIfThere(logFile)) ?? ''),
  })
}

/** Asks a child to end, and waits until it has; after `patienceMs` it is not asked any more. */
export async function end(child: ChildProcess, patienceMs = PATIENCE_MS): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await gone
  clearTimeout(late)
}

/** @throws Error outside of `--local` */
export function sandboxOf(context: Context): LocalSandbox {
  if (context.local === undefined) throw new Error('this resource belongs to the sandbox')
  return context.local
}
