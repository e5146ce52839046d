/** Of a service, as Docker has it: exit code of its container that ended, `undefined` where there is none. */
export type State = 'running' | 'unhealthy' | { readonly exitCode: number | undefined }

/** Docker's own restart of a crashed container takes less. */
const KILLED_MS = 3_000
/** Somebody who stops a container in good order, or replaces it, is at work there: a restore, an upgrade, an operator. */
const STOPPED_MS = 15_000
/** Docker calls a container unhealthy after three checks that failed. A server may still be slow to find its database again. */
const UNHEALTHY_MS = 30_000

/** So often a service is started again before it has to be somebody's business that it does not stay. */
const MOST = 3
/** A service that has run for so long has come back. Docker takes over a minute to see that one hangs again. */
const SETTLED_MS = 300_000

/** Milliseconds of any steady clock. */
type Moment = number

interface Record {
  /** Since when it runs, or does not. */
  since: Moment
  isRunning: boolean
  /** How often it was due since it last ran for long. */
  count: number
}

export interface Judgement {
  readonly away: readonly string[]
  /** To be started: away for so long that nobody else does it. */
  readonly due: readonly string[]
  /** To be restarted: there, but without an answer for so long. */
  readonly hung: readonly string[]
  /** Started often enough to no avail. */
  readonly hopeless: readonly string[]
}

/**
 * Tells which services are to be started again: after `docker kill`, after more crashes than their restart policy forgives,
 * after a stop that was forgotten; and which hang, about which Docker does nothing.
 */
export class Absences {
  readonly #records = new Map<string, Record>()

  judge(states: ReadonlyMap<string, State>, now: Moment): Judgement {
    const judgement = {
      away: [] as string[],
      due: [] as string[],
      hung: [] as string[],
      hopeless: [] as string[],
    }
    const isDatabaseWell = states.get('postgres') === 'running'
    for (const [service, found] of states) {
      // Without its database no server is well; and the database may need long to recover, which a restart makes longer.
      const isExcused = service === 'postgres' || !isDatabaseWell
      const state = found === 'unhealthy' && isExcused ? 'running' : found
      const record = this.#note(service, state === 'running', now)
      if (state === 'running') continue
      judgement.away.push(service)
      if (now - record.since < patience(state)) continue
      record.count += 1
      const verdict = state === 'unhealthy' ? 'hung' : 'due'
      judgement[record.count > MOST ? 'hopeless' : verdict].push(service)
    }
    return judgement
  }

  #note(service: string, isRunning: boolean, now: Moment): Record {
    const record = this.#records.get(service) ?? { since: now, isRunning, count: 0 }
    this.#records.set(service, record)
    if (record.isRunning !== isRunning) Object.assign(record, { since: now, isRunning })
    if (isRunning && now - record.since >= SETTLED_MS) record.count = 0
    return record
  }
}

function patience(state: Exclude<State, 'running'>): number {
  if (state === 'unhealthy') return UNHEALTHY_MS
  return state.exitCode ? KILLED_MS : STOPPED_MS
}

/**
 * Reads lines of `docker container ls --all --format '{{.Label "com.docker.compose.service"}}|{{.State}}|{{.Status}}'`.
 *
 * @returns the state of each of `services`
 */
export function readStates(list: string, services: readonly string[]): Map<string, State> {
  const states = new Map<string, State>(services.map((service) => [service, { exitCode: undefined }]))
  for (const line of list.split('\n')) {
    const [service = '', state, status = ''] = line.split('|')
    // While a container is replaced there are two.
    if (!states.has(service) || typeof states.get(service) === 'string') continue
    const exitCode = /^Exited \((\d+)\)/.exec(status)?.[1]
    const isUnhealthy = status.endsWith('(unhealthy)')
    if (state === 'running') states.set(service, isUnhealthy ? 'unhealthy' : 'running')
    else states.set(service, { exitCode: exitCode ? Number(exitCode) : undefined })
  }
  return states
}
