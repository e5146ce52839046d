import { Inngest, type InngestFunction, NonRetriableError, RetryAfterError } from 'inngest'
import { serve } from 'inngest/node'
import type { InngestConfig } from '../config/env.ts'
import type { Logger } from '../log.ts'
import { jobRuns } from '../metrics/metrics.ts'
import { reasonOf } from './failure.ts'
import { type Cron, type Job, NonRetriable, RetryAfter } from './job.ts'
import { perform } from './perform.ts'

/** Part of the functions' ids in the Inngest server: never renamed. */
const APP_ID = 'wa-mcp'
const CRON_RETRIES = 2

/** The SDK's listener for `/api/inngest`. This file alone knows the SDK, so that it is loaded on the first call only. */
export function createListener(o: {
  config: InngestConfig
  path: string
  jobs: readonly Job[]
  crons: readonly Cron[]
  log: Logger
}): ReturnType<typeof serve> {
  const { config, log } = o
  const client = new Inngest({
    id: APP_ID,
    // Without it the SDK would talk to the vendor's cloud.
    baseUrl: config.baseUrl.href,
    isDev: false,
    eventKey: config.eventKey.reveal(),
    signingKey: config.signingKey.reveal(),
    ...(config.previousSigningKey && { signingKeyFallback: config.previousSigningKey.reveal() }),
    // Each call then is one step and makes no call of its own.
    checkpointing: false,
    logger: log,
    internalLogger: log.child({ component: 'inngest' }),
  })
  return serve({
    client,
    functions: [
      ...o.jobs.map((job) => jobFunction(client, job, log)),
      ...o.crons.map((cron) => cronFunction(client, cron, log)),
    ],
    // Never from the Host header, which anybody can send.
    serveOrigin: config.serveOrigin.origin,
    servePath: o.path,
    enableUnauthedSync: false,
  })
}

function jobFunction(client: Inngest, job: Job, log: Logger): InngestFunction.Any {
  return client.createFunction(
    {
      id: job.id,
      triggers: [{ event: job.event }],
      // The SDK knows them one by one.
      retries: job.retries as NonNullable<InngestFunction.Options['retries']>,
      concurrency: [{ key: 'event.data._key', limit: job.concurrency }],
    },
    async ({ event, attempt, step }) => {
      const work = () => perform(job, { id: event.id ?? '', data: event.data, attempt, log })
      await step.run('run', () => outcomeOf(job.id, attempt >= job.retries, log, work))
    },
  )
}

function cronFunction(client: Inngest, cron: Cron, log: Logger): InngestFunction.Any {
  return client.createFunction(
    { id: cron.id, triggers: [{ cron: `TZ=UTC ${cron.schedule}` }], retries: CRON_RETRIES },
    async ({ attempt, step }) => {
      const work = () => cron.run({ log: log.child({ job: cron.id }) })
      await step.run('run', () => outcomeOf(cron.id, attempt >= CRON_RETRIES, log, work))
    },
  )
}

/** Says in the SDK's words what our errors mean. Only the reason leaves the process, not the error with all it holds. */
async function outcomeOf(id: string, isLast: boolean, log: Logger, run: () => Promise<void>): Promise<void> {
  try {
    await run()
    jobRuns.inc({ job: id, outcome: 'ok' })
  } catch (error) {
    const reason = reasonOf(error)
    const isDead = isLast || error instanceof NonRetriable
    jobRuns.inc({ job: id, outcome: isDead ? 'dead' : 'retry' })
    log[isDead ? 'error' : 'warn']({ job: id, reason }, isDead ? 'job_dead' : 'job_failed')
    if (error instanceof NonRetriable) throw new NonRetriableError(reason)
    if (error instanceof RetryAfter) throw new RetryAfterError(reason, error.seconds * 1000)
    throw new Error(reason)
  }
}
