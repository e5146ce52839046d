import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { readIfThere, writeAtomically } from '../../secrets/atomic.ts'
import { paint, printJson, tell } from '../lib/cli.ts'
import { explain, Fail, isDefect, messageOf, Refused } from '../lib/fail.ts'
import { takeLock } from '../lib/lock.ts'
import { JOBS } from './layout.ts'
import { ping } from './ping.ts'

const HEARTBEAT_MS = 10_000

export type JobName =
  | 'restore-db'
  | 'backup-db'
  | 'backup-media'
  | 'sync-offsite'
  | 'sync-audit'
  | 'prove-restore'

/** Says what goes on; a line that takes long is followed by signs of life. */
export type Progress = (line: string) => void

export interface Job {
  readonly name: JobName
  /** jobs that share one never run at the same time; default: the job's own name */
  readonly lock?: string
  /** print the record on standard output */
  readonly json: boolean
  /** @returns what is worth knowing afterwards, as JSON; a {@link Refused} means that nothing was changed */
  run(progress: Progress): Promise<Readonly<Record<string, unknown>>>
  /** where records are kept; default {@link JOBS} */
  readonly directory?: string
}

const recordSchema = z.object({
  job: z.string(),
  ok: z.boolean(),
  started: z.iso.datetime(),
  seconds: z.number(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ message: z.string(), next: z.string().optional() }).optional(),
  last_success: z.iso.datetime().nullable(),
})

/** The last run of a job, and when one last went well. */
export type JobRecord = z.infer<typeof recordSchema>

/**
 * Runs a job that systemd starts: one at a time, told as it goes, recorded for whoever asks later, and reported to the
 * monitor that watches for its absence. A run that is refused because another has the lock leaves no record.
 * @returns the exit code: 0 ok, 1 failed, 3 refused before anything was changed
 */
export async function runJob(job: Job): Promise<number> {
  const directory = job.directory ?? JOBS
  const started = new Date()
  const from = performance.now()
  let lock: Awaited<ReturnType<typeof takeLock>>
  try {
    if (process.getuid?.() !== 0) {
      throw new Refused('only root may read what is to be kept', {
        next: `sudo npx zx scripts/${job.name}.ts`,
      })
    }
    lock = await takeLock(job.lock ?? job.name, 'a job that must not run beside this one is at work')
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    complain(error)
    if (job.json) printJson({ job: job.name, ok: false, refused: true, error: toJson(error) })
    return 3
  }
  try {
    const outcome = await attempt(job)
    const record: JobRecord = {
      job: job.name,
      ok: outcome.error === undefined,
      started: started.toISOString(),
      seconds: Math.round(performance.now() - from) / 1000,
      ...(outcome.result && { result: { ...outcome.result } }),
      ...(outcome.error !== undefined && { error: toJson(outcome.error) }),
      last_success:
        outcome.error === undefined
          ? started.toISOString()
          : ((await readRecord(job.name, directory))?.last_success ?? null),
    }
    await keep(record, directory).catch(async (error: unknown) => {
      await ping(job.name, false)
      throw error
    })
    await ping(job.name, record.ok)
    if (record.ok) tell(`${paint('32', 'done')}  ${job.name}, ${record.seconds.toFixed(1)} s`)
    else complain(outcome.error)
    if (job.json) printJson(record)
    if (record.ok) return 0
    return outcome.error instanceof Refused ? 3 : 1
  } finally {
    await lock.release()
  }
}

/** @returns `undefined` when the job never ran, or its record cannot be understood */
export async function readRecord(name: JobName, directory = JOBS): Promise<JobRecord | undefined> {
  const path = join(directory, `${name}.json`)
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  try {
    return recordSchema.parse(JSON.parse(text))
  } catch {
    tell(`${path} is damaged and is replaced by the next run.`)
    return undefined
  }
}

async function attempt(job: Job): Promise<{ result?: Readonly<Record<string, unknown>>; error?: unknown }> {
  let line: string = job.name
  let since = Date.now()
  const heartbeat = setInterval(() => {
    if (Date.now() - since >= HEARTBEAT_MS) tell(`  … ${line}, ${Math.round((Date.now() - since) / 1000)} s`)
  }, HEARTBEAT_MS)
  try {
    const result = await job.run((text) => {
      ;[line, since] = [text, Date.now()]
      tell(`  ${text}`)
    })
    return { result }
  } catch (error) {
    return { error }
  } finally {
    clearInterval(heartbeat)
  }
}

async function keep(record: JobRecord, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeAtomically(
    join(directory, `${record.job}.json`),
    `${JSON.stringify(record, undefined, 2)}\n`,
    0o600,
  )
}

function complain(error: unknown): void {
  const word = error instanceof Refused ? 'refused' : 'failed'
  tell(`${paint('31', word)}  ${error instanceof Error && isDefect(error) ? error.stack : messageOf(error)}`)
  if (error instanceof Fail) tell(explain(error))
}

function toJson(error: unknown): { message: string; next?: string } {
  return { message: messageOf(error), ...(error instanceof Fail && { next: error.next }) }
}
