/**
 * What whatsapp-mcp.service runs: starts the stack in order, tells systemd when all of it is healthy, then watches, and starts
 * again what stays down or hangs. Where that fails it ends with an error, and systemd starts everything anew. Killed itself, it leaves
 * the containers alone: the next one finds them running.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { $ } from 'zx'
import { COMPOSE, SERVICES } from './lib/stack.ts'
import { ALIGN_SUPERUSER, COMPLETE_INIT, PSQL, PSQL_FIRST } from './lib/superuser.ts'
import { Absences, readStates } from './supervisor/absences.ts'

const POLL_MS = 2_000
const CONTAINERS = ['label=com.docker.compose.project=whatsapp-mcp', 'label=com.docker.compose.oneoff=False']
const FORMAT = '{{.Label "com.docker.compose.service"}}|{{.State}}|{{.Status}}'

const { values } = parseArgs({ options: { help: { type: 'boolean' } } })
if (values.help === true) {
  process.stdout.write(
    'Usage: node scripts/supervisor.ts\n\nStarts and watches the stack for whatsapp-mcp.service.\n',
  )
  process.exit(0)
}

const ending = new AbortController()
const run = $({ stdio: 'inherit', quiet: true, signal: ending.signal })
const ask = $({ quiet: true, nothrow: true, timeout: '20s' })

async function notify(...state: string[]): Promise<void> {
  if (process.env.NOTIFY_SOCKET !== undefined) await ask`systemd-notify ${state}`
}

async function start(): Promise<void> {
  await run`docker ${COMPOSE} up --detach --wait --wait-timeout 90 postgres`
  // On every start: cheap when there is nothing to do, and right after a restore or a rotated password.
  for (const [input, psql] of [[COMPLETE_INIT, PSQL_FIRST] as const, [ALIGN_SUPERUSER, PSQL] as const])
    await run({
      input,
      stdio: ['pipe', 'inherit', 'inherit'],
      timeout: '30s',
    })`docker ${COMPOSE} exec -T postgres ${psql}`
  await run`docker ${COMPOSE} run --rm --no-deps -T migrate`
  await run`docker ${COMPOSE} up --detach --wait --wait-timeout 120 --remove-orphans ${SERVICES}`
}

/** What a profile adds. Rows wait in the outbox without it, so neither its failure nor its slowness concerns the stack. */
async function startExtras(): Promise<void> {
  await run`docker ${COMPOSE} up --detach`.nothrow().timeout('10m')
}

async function watch(): Promise<never> {
  const absences = new Absences()
  const filters = CONTAINERS.flatMap((filter) => ['--filter', filter])
  for (;;) {
    await sleep(POLL_MS)
    const list = await ask`docker container ls --all ${filters} --format ${FORMAT}`
    // dockerd restarts, and the containers live on without it. Should it stay away, the watchdog ends this.
    if (list.exitCode !== 0) continue
    const { due, hung, away, hopeless } = absences.judge(readStates(list.stdout, SERVICES), performance.now())
    if (hopeless.length > 0) throw new Error(`${hopeless.join(', ')} did not stay up`)
    if (due.length > 0) await startAgain(due)
    if (hung.length > 0) await restart(hung)
    await notify('WATCHDOG=1', `--status=${away.length === 0 ? 'healthy' : `waiting for ${away.join(', ')}`}`)
  }
}

async function startAgain(services: readonly string[]): Promise<void> {
  process.stderr.write(`${services.join(', ')} stayed down, started again\n`)
  // Without their health: what is wrong with one must not keep the others waiting.
  await run`docker ${COMPOSE} up --detach --no-deps --no-recreate ${services}`.timeout('60s')
}

async function restart(services: readonly string[]): Promise<void> {
  process.stderr.write(`${services.join(', ')} did not answer, restarted\n`)
  // What hangs does not end in good order either.
  await run`docker ${COMPOSE} restart --timeout 5 ${services}`.timeout('60s')
}

/** In place of `ExecStop=`, which systemd would also run after this process was killed. */
async function stop(): Promise<void> {
  // A start that is under way would bring back what is stopped.
  ending.abort()
  await notify('STOPPING=1')
  const last = $({ stdio: 'inherit', quiet: true, nothrow: true, timeout: '80s' })
  // Not `down`: the containers are kept, and with them their logs.
  const { exitCode } = await last`docker ${COMPOSE} stop`
  process.exit(exitCode ?? 1)
}

process.once('SIGTERM', () => void stop())
try {
  await start()
  await notify('--ready', '--status=healthy')
  await Promise.all([watch(), startExtras()])
} catch (error) {
  if (!ending.signal.aborted) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
