import { $ } from 'zx'
import { Fail, lastLines, Refused } from '../lib/fail.ts'
import { APPS, COMPOSE, SERVICES } from '../lib/stack.ts'

/** What a restore asks of the stack's containers. The unit that watches them is left alone: it helps where this dies. */
export interface Stack {
  readonly migrateBeside: typeof migrateBeside
  readonly stopServer: typeof stopServer
  readonly recordRestore: typeof recordRestore
  readonly startServer: typeof startServer
}

/** The containers of this host. */
export const composeStack: Stack = { migrateBeside, stopServer, recordRestore, startServer }

const NGINX = ['nginx', 'nginx', '-c', '/etc/nginx/whatsapp-mcp/nginx.conf'] as const

async function compose(args: readonly string[], seconds: number, next: string): Promise<string> {
  const result = await $({
    quiet: true,
    nothrow: true,
    input: '',
    timeout: `${seconds}s`,
  })`docker ${COMPOSE} ${args}`
  if (result.exitCode === 0) return result.stdout
  throw new Fail(`docker compose ${args[0]} ended with ${result.exitCode ?? result.signal}`, {
    next,
    output: lastLines(`${result.stdout}${result.stderr}`),
  })
}

/**
 * Brings a restored database to the schema of the installed server, and grants its roles their rights again, before it
 * becomes the live one.
 * @throws Refused when it is newer than the installed server
 */
export async function migrateBeside(database: string): Promise<void> {
  const url = `DATABASE_URL=postgres://postgres:5432/${database}`
  try {
    await compose(
      ['run', '--rm', '--no-deps', '--no-TTY', '--env', url, 'migrate'],
      600,
      'docker compose logs postgres',
    )
  } catch (error) {
    if (!(error instanceof Fail) || !error.output?.includes('HistoryError')) throw error
    throw new Refused('the backup is of another version of the server than the one installed here', {
      next: 'check out the version that made it (backups.ts list --json names its commit), run the bootstrap, then this again',
      output: error.output,
    })
  }
}

/** Stops the server, and nothing else: what it had begun to send is finished first. */
export async function stopServer(): Promise<void> {
  await compose(['stop', ...APPS], 60, 'systemctl status whatsapp-mcp')
}

/** Notes in the audit log where this database comes from; the first entry it has after the restore. */
export async function recordRestore(set: string): Promise<void> {
  const command = ['run', '--rm', '--no-deps', '--no-TTY', 'app', '/app/server.js', 'audit', 'restored', set]
  await compose(command, 60, 'docker compose logs postgres')
}

/** Starts what is stopped, waits until all of it is healthy, and tells nginx. */
export async function startServer(): Promise<void> {
  const next = 'journalctl -u whatsapp-mcp -n 50'
  await compose(['up', '--detach', '--wait', '--wait-timeout', '120', ...SERVICES], 180, next)
  // The server may have another address now, and nginx would ask for it in some seconds only.
  await compose(['exec', '--no-TTY', ...NGINX, '-s', 'reload'], 30, next)
}
