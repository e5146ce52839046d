import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { Clock } from './clock.ts'
import type { Cron, Job } from './job.ts'
import { Lane } from './lane.ts'
import { Outage } from './outage.ts'
import { OutboxLeases } from './outbox.ts'
import type { Runner } from './runner.ts'

export interface EmbeddedOptions {
  readonly sql: Database
  readonly listener: Listener
  readonly jobs: readonly Job[]
  readonly crons: readonly Cron[]
  readonly log: Logger
  /** Waits before the second, third … try. */
  readonly delaysMs?: readonly number[]
  /** When retries and missed notices are noticed. Default 2 s. */
  readonly pollMs?: number
  /** When others take over from a process that died. Default 20 s. */
  readonly leaseSeconds?: number
}

/** Runs the jobs in this process, out of the outbox and by the clock. Any number of processes may do so side by side. */
export function startEmbeddedRunner(o: EmbeddedOptions): Runner {
  const { sql, log, delaysMs } = o
  const outage = new Outage('outbox', log)
  const leases = new OutboxLeases({ sql, outage, seconds: o.leaseSeconds ?? 20 })
  const lanes = o.jobs.map((job) => new Lane({ job, leases, outage, delaysMs, log }))
  const clock = new Clock({ sql, crons: o.crons, outage, log })
  const wake = (events: readonly string[]) => {
    for (const lane of lanes) if (events.includes(lane.event)) lane.wake()
  }
  const look = async () => {
    try {
      wake(await leases.waiting(lanes.map(({ event }) => event)))
      outage.over()
    } catch (error) {
      // The next look is soon.
      outage.noticed(error)
    }
  }
  const unsubscribe = o.listener.on('outbox', {
    // '' after a gap in listening, when rows of any event may have come.
    onNotice: (event) => (event === '' ? void look() : wake([event])),
  })
  let isPolling = false
  const poll = async () => {
    if (isPolling) return
    isPolling = true
    await look()
    isPolling = false
  }
  const timer = setInterval(poll, o.pollMs ?? 2_000).unref()
  void poll()
  return {
    stop: async (deadlineMs) => {
      unsubscribe()
      clearInterval(timer)
      const signal = AbortSignal.timeout(deadlineMs)
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      await Promise.race([Promise.all([clock.stop(), ...lanes.map((lane) => lane.stop())]), aborted])
      await leases.close(signal)
    },
  }
}
