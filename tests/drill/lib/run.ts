import { spawn } from 'node:child_process'

export interface RunOptions {
  /** Text for the child's standard input; without it the child reads nothing. */
  readonly input?: string | Buffer
  /** Called with all of standard output so far; what it gives back is typed. Then there is no `input`. */
  readonly answer?: (shown: string) => string | undefined
  /** Seconds until the child is killed; the default suits anything that does not download. */
  readonly limit?: number
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Called for each whole line of standard error as it arrives. */
  readonly onLine?: (line: string) => void
  /** Give back a failed result instead of throwing. */
  readonly mayFail?: boolean
}

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

/** A program that failed, with the last lines it wrote. Arguments are shown, so none may be secret. */
export class CommandError extends Error {
  readonly result: Result

  constructor(argv: readonly string[], result: Result) {
    const said = tail(`${result.stdout}\n${result.stderr}`.trim(), 40)
    super(`${argv.join(' ').slice(0, 200)}: exit code ${result.code}\n${said}`)
    this.name = 'CommandError'
    this.result = result
  }
}

/** The last `count` lines of a text. */
export function tail(text: string, count: number): string {
  return text.split('\n').slice(-count).join('\n')
}

const running = new Set<number>()

/** Ends every child that {@link run} still waits for; used when the drill is interrupted. */
export function killChildren(): void {
  for (const pid of running) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
}

/**
 * Runs one program without a shell and waits for it.
 * @throws CommandError when it exits with anything but 0 and `mayFail` is not set.
 */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [program = '', ...rest] = argv
  const started = performance.now()
  const limit = options.limit ?? 120
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: limit * 1000,
      killSignal: 'SIGKILL',
    })
    if (child.pid !== undefined) running.add(child.pid)
    const out: Buffer[] = []
    const err: Buffer[] = []
    let partial = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out.push(chunk)
      const typed = options.answer?.(Buffer.concat(out).toString())
      if (typed !== undefined) child.stdin.write(typed)
    })
    child.stderr.on('data', (chunk: Buffer) => {
      err.push(chunk)
      if (!options.onLine) return
      const lines = (partial + chunk.toString()).split('\n')
      partial = lines.pop() ?? ''
      for (const line of lines) options.onLine(line)
    })
    // A child that exits without reading its input is judged by its exit code, not by the broken pipe.
    child.stdin.on('error', () => {})
    if (options.answer === undefined) child.stdin.end(options.input ?? '')
    child.on('error', (error) => reject(new Error(`${program} cannot be run`, { cause: error })))
    child.on('close', (code, signal) => {
      if (child.pid !== undefined) running.delete(child.pid)
      const seconds = (performance.now() - started) / 1000
      const why = signal ? `\n[ended by ${signal} after ${seconds.toFixed(0)} s, limit ${limit} s]` : ''
      const result: Result = {
        code: code ?? 128,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString() + why,
        seconds,
      }
      if (result.code === 0 || options.mayFail) resolve(result)
      else reject(new CommandError(argv, result))
    })
  })
}
