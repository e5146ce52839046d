import type { Logger } from '../log.ts'
import { EVENTS } from './events.ts'
import { type Job, NonRetriable } from './job.ts'

/**
 * One try of a job, the same whoever runs it.
 *
 * @param id Of the event, for the log.
 * @param data As it was stored or sent; more than the schema asks for is dropped.
 * @throws NonRetriable when the data is not that of the job's event, and whatever the job throws.
 */
export async function perform(
  job: Job,
  { id, data, attempt, log }: { id: string; data: unknown; attempt: number; log: Logger },
): Promise<void> {
  const parsed = EVENTS[job.event].safeParse(data)
  if (!parsed.success) throw new NonRetriable(`the data is not that of ${job.event}`)
  const isLastAttempt = attempt >= job.retries
  await job.run(parsed.data, { attempt, isLastAttempt, log: log.child({ job: job.id, event: id }) })
}
