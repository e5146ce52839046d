import { AdminError, UsageError } from './admin/report.ts'
import {
  ConfigError,
  loadAdminConfig,
  loadAppConfig,
  loadListenAddress,
  loadMigrateConfig,
} from './config/env.ts'
import { migrate } from './db/migrate.ts'
import { healthcheck } from './healthcheck.ts'
import { createLogger, type Logger } from './log.ts'
import { serve } from './serve.ts'
import { VERSION } from './version.ts'

const usage = (adminOverview: string) => `whatsapp-mcp ${VERSION}

Usage: server [COMMAND]

  serve         listen for Meta's webhooks and for MCP clients (the default)
  stdio         serve the owner's MCP client over standard input and output, beside a running server
  migrate       bring the database's roles and schema up to date
  healthcheck   exit 0 when the server on this machine is healthy

For the operator; GROUP --help shows the options:
${adminOverview}

Settings come from the environment, secrets from files in SECRETS_DIR; see docs/components/server.md.
`

const COMMANDS = new Map([
  ['serve', runServer],
  ['stdio', runStdio],
  ['migrate', runMigrations],
  ['healthcheck', async () => ((await healthcheck(loadListenAddress())) ? 0 : 1)],
])

async function main(args: readonly string[]): Promise<number> {
  const command = args[0] ?? 'serve'
  const run = COMMANDS.get(command)
  if (run && args.length <= 1) return await run()
  // Loaded only here: a server that starts needs nothing of it.
  const { adminOverview, groupHelp, isAdminGroup } = await import('./admin/cli.ts')
  if (args.includes('--help') || args.includes('-h') || command === 'help') {
    process.stdout.write(isAdminGroup(command) ? groupHelp(command) : usage(adminOverview()))
    return 0
  }
  if (isAdminGroup(command)) return await admin(args)
  const problem = run ? `${command} takes no arguments.` : `There is no command ${JSON.stringify(command)}.`
  throw new UsageError(`${problem}\n\n${usage(adminOverview())}`)
}

async function admin(args: readonly string[]): Promise<number> {
  const { runAdmin } = await import('./admin/cli.ts')
  const report = await runAdmin(args, loadAdminConfig)
  if (report.aside) process.stderr.write(`${report.aside}\n`)
  process.stdout.write(`${report.json ? JSON.stringify(report.data) : report.text}\n`)
  return report.failed ? 1 : 0
}

async function runMigrations(): Promise<number> {
  const config = loadMigrateConfig()
  const applied = await migrate(config)
  createLogger(config.logLevel).info({ applied }, 'migrated')
  return 0
}

async function runServer(): Promise<number> {
  const config = loadAppConfig()
  const log = createLogger(config.logLevel)
  const onDefect = (err: unknown) => die(log, err)
  process.on('uncaughtException', onDefect).on('unhandledRejection', onDefect)
  const signal = new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, resolve)
  })
  const server = await serve(config, log)
  log.info({ signal: await signal }, 'stopping')
  await server.stop()
  return 0
}

async function runStdio(): Promise<number> {
  const config = loadAppConfig()
  // Standard output belongs to the protocol.
  const log = createLogger(config.logLevel, process.stderr)
  const { serveStdio } = await import('./stdio.ts')
  await serveStdio(config, log)
  return 0
}

/** After a defect nothing about this process is certain; a fresh one is. */
function die(log: Logger, err: unknown): never {
  log.fatal({ err }, 'defect')
  process.exit(1)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const usage = error instanceof UsageError
  const meant = usage || error instanceof AdminError || error instanceof ConfigError
  const text =
    error instanceof Error ? (meant ? error.message : `${error.name}: ${error.message}`) : String(error)
  process.stderr.write(`${text}\n`)
  process.exitCode = usage ? 2 : 1
}
// Nothing is left to wait for, and an unreferenced timer of a library must not keep a one-shot command waiting.
process.exit()
