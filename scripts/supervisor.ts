/**
 * What whatsapp-mcp.service runs: starts the stack in order, tells systemd when all of it is healthy, then watches.
 * A container that stays down (`docker kill`, or more crashes than its restart policy forgives) ends this process
 * with an error, and systemd starts everything again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { $ } from 'zx'
import { COMPOSE, SERVICES } from './lib/stack.ts'
import { ALIGN_SUPERUSER, PSQL } from './lib/superuser.ts'

const POLL_SECONDS = 5
/** Docker's own restart of a crashed container takes less. */
const POLLS_UNTIL_DOWN = 3

const { values } = parseArgs({ options: { help: { type: 'boolean' } } })
if (values.help === true) {
  process.stdout.write(
    'Usage: node scripts/supervisor.ts\n\nStarts and watches the stack for whatsapp-mcp.service.\n',
  )
  process.exit(0)
}

const run = $({ stdio: 'inherit', quiet: true })
const ask = $({ quiet: true, nothrow: true, timeout: '20s' })

async function notify(...state: string[]): Promise<void> {
  if (process.env.NOTIFY_SOCKET !== undefined) await ask`systemd-notify ${state}`
}

async function start(): Promise<void> {
  await run`docker ${COMPOSE} up --detach --wait --wait-timeout 90 postgres`
  // On every start: cheap when there is nothing to do, and right after a restore or a rotated password.
  await run({
    input: ALIGN_SUPERUSER,
    stdio: ['pipe', 'inherit', 'inherit'],
    timeout: '30s',
  })`docker ${COMPOSE} exec -T postgres ${PSQL}`
  await run`docker ${COMPOSE} run --rm --no-deps -T migrate`
  await run`docker ${COMPOSE} up --detach --wait --wait-timeout 120 --remove-orphans ${SERVICES}`
}

/** What a profile adds. Rows wait in the outbox without it, so neither its failure nor its slowness concerns the stack. */
async function startExtras(): Promise<void> {
  await run`docker ${COMPOSE} up --detach`.nothrow().timeout('10m')
}

async function servicesDown(): Promise<string[]> {
  const list = await ask`docker ${COMPOSE} ps --services --status running`
  const running = list.stdout.split('\n')
  return SERVICES.filter((service) => !running.includes(service))
}

async function watch(): Promise<never> {
  const polls = new Map<string, number>()
  for (;;) {
    await sleep(POLL_SECONDS * 1000)
    const down = await servicesDown()
    for (const service of SERVICES)
      polls.set(service, down.includes(service) ? (polls.get(service) ?? 0) + 1 : 0)
    const lost = SERVICES.filter((service) => (polls.get(service) ?? 0) >= POLLS_UNTIL_DOWN)
    if (lost.length > 0) throw new Error(`${lost.join(', ')} stayed down`)
    await notify('WATCHDOG=1', `--status=${down.length === 0 ? 'healthy' : `waiting for ${down.join(', ')}`}`)
  }
}

try {
  await start()
  await notify('--ready', '--status=healthy')
  await Promise.all([watch(), startExtras()])
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
