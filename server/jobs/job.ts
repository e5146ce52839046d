import type { Logger } from '../log.ts'
import type { EventData, EventName } from './events.ts'

export interface JobContext {
  /** 0 on the first try. */
  readonly attempt: number
  readonly isLastAttempt: boolean
  readonly log: Logger
}

/**
 * Work that follows from one event. It may run more than once and must make no difference the second time; every runner
 * (the embedded one, Inngest) calls the same `run`.
 */
export interface Job<Name extends EventName = EventName> {
  /** Kebab case, never renamed: job services store it. */
  readonly id: string
  readonly event: Name
  /** Tries after the first one; at most 20, which is all Inngest does. */
  readonly retries: number
  /** How many may run at once for the same `concurrency_key` of the outbox (see {@link emit}). */
  readonly concurrency: number
  /** How many the embedded runner runs at once in one process; default 8. Fewer where each holds a database connection. */
  readonly workers?: number
  run(data: EventData<Name>, context: JobContext): Promise<void>
}

/** The same by the clock. */
export interface Cron {
  readonly id: string
  /** Five fields, UTC. */
  readonly schedule: string
  run(context: { readonly log: Logger }): Promise<void>
}

/** Trying again cannot help. */
export class NonRetriable extends Error {
  override readonly name = 'NonRetriable'
}

/** Try again, but not before that many seconds have passed. */
export class RetryAfter extends Error {
  override readonly name = 'RetryAfter'
  readonly seconds: number

  constructor(message: string, seconds: number) {
    super(message)
    this.seconds = seconds
  }
}
