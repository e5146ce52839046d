import * as z from 'zod'
import { CHANNELS } from '../../server/db/listener.ts'
import { createProcessMessage } from '../../server/inbound/process-message.ts'
import { createCrons } from '../../server/jobs/crons.ts'
import { EVENTS } from '../../server/jobs/events.ts'
import type { Job } from '../../server/jobs/job.ts'
import { WORKERS } from '../../server/jobs/lane.ts'
import { createDownloadJob } from '../../server/media/download.ts'
import { createUploadJob } from '../../server/media/upload.ts'
import { createSendJob } from '../../server/outbound/send-job.ts'
import { createTemplatesJob } from '../../server/outbound/templates-job.ts'
import { fieldsOf, type JsonSchema } from './json-schema.ts'
import { code, page, table } from './markdown.ts'

/** Nothing is run, so nothing is needed. */
const nothing = {} as never
const JOBS: readonly Job[] = [
  createProcessMessage(nothing),
  createSendJob(nothing),
  createDownloadJob(nothing),
  createUploadJob(nothing),
  createTemplatesJob(nothing),
]

/** docs/reference/events.md: what the outbox carries, and which jobs take it. */
export function eventsPage(): string {
  const crons = createCrons({ sql: nothing, mediaRoot: '', auditDir: '', retention: nothing })
  return page(
    'Events and jobs',
    'server/jobs',
    'What the outbox carries: ids only. How they are run: [jobs](../components/jobs.md).',
    '## Events',
    table(
      ['Event', 'Data', 'When'],
      Object.entries(EVENTS).map(([name, schema]) => [code(name), dataOf(schema), schema.description ?? '']),
    ),
    '## Jobs',
    'The key of an outbox row is the number, or the account, where the event concerns one; rows without a key are limited per ' +
      'process only. Inngest keeps to the limit per key.',
    table(
      ['Job', 'On', 'Tries', 'At once per key', 'At once per process'],
      JOBS.map(({ id, event, retries, concurrency, workers = WORKERS }) => [
        code(id),
        code(event),
        String(retries + 1),
        String(concurrency),
        String(workers),
      ]),
    ),
    '## By the clock (UTC)',
    table(
      ['Cron', 'Schedule'],
      crons.map(({ id, schedule }) => [code(id), code(schedule)]),
    ),
    '## Notices between processes',
    `Postgres channels every process listens to: ${CHANNELS.map(code).join(', ')}.`,
  )
}

function dataOf(schema: z.ZodObject): string {
  return fieldsOf(z.toJSONSchema(schema) as JsonSchema, [])
    .map(({ path, meaning }) => `${code(path)}: ${meaning}`)
    .join('; ')
}
