import { paint, tell } from '../lib/cli.ts'

/** One line of the table at the end. */
export interface PhaseResult {
  readonly name: string
  /** how long it took */
  readonly seconds: number
  /** seconds after the start of the run; phases overlap */
  readonly from: number
}

const HEARTBEAT_MS = 10_000

/** Says what a running phase has done so far, such as `120 of 2048 MB`. */
export type Progress = (text: string) => void

/** Runs the phases of a recovery, tells a person about them, and keeps their times. */
export class Phases {
  readonly #started: number
  readonly #results: PhaseResult[] = []
  readonly #running = new Map<string, { since: number; progress: string }>()
  readonly #heartbeat: NodeJS.Timeout

  /** @param started when the run began, in milliseconds: before Node was there to measure */
  constructor(started: number) {
    this.#started = started
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  get results(): readonly PhaseResult[] {
    return this.#results
  }

  /** Since the start of the run. */
  get seconds(): number {
    return tenths(Date.now() - this.#started)
  }

  async run<T>(name: string, act: (progress: Progress) => Promise<T>): Promise<T> {
    const since = Date.now()
    const running = { since, progress: '' }
    this.#running.set(name, running)
    tell(`${paint('1', '==>')} ${name}`)
    try {
      const result = await act((text) => {
        running.progress = text
      })
      const seconds = tenths(Date.now() - since)
      tell(`${paint('1', '<==')} ${name}  ${running.progress}  ${seconds.toFixed(1)} s`)
      return result
    } catch (error) {
      tell(`${paint('31', '<==')} ${name} failed after ${tenths(Date.now() - since).toFixed(1)} s`)
      throw error
    } finally {
      this.#running.delete(name)
      this.#results.push({
        name,
        seconds: tenths(Date.now() - since),
        from: tenths(since - this.#started),
      })
    }
  }

  close(): void {
    clearInterval(this.#heartbeat)
  }

  #beat(): void {
    for (const [name, { since, progress }] of this.#running) {
      const seconds = Math.round((Date.now() - since) / 1000)
      if (seconds * 1000 >= HEARTBEAT_MS) tell(paint('2', `    … ${name} ${progress}, ${seconds} s`))
    }
  }
}

/** The table of phases, in the order they began. */
export function phaseTable(results: readonly PhaseResult[], total: number): string {
  const rows = [...results].sort((a, b) => a.from - b.from)
  const width = Math.max(5, ...rows.map(({ name }) => name.length))
  const number = (seconds: number): string => `${seconds.toFixed(1)} s`.padStart(9)
  const lines = rows.map(
    ({ name, from, seconds }) => `  ${name.padEnd(width)} ${number(from)} ${number(seconds)}`,
  )
  const head = `  ${'phase'.padEnd(width)} ${'from'.padStart(9)} ${'took'.padStart(9)}`
  return [head, ...lines, `  ${'total'.padEnd(width)} ${number(0)} ${number(total)}`].join('\n')
}

function tenths(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10
}
