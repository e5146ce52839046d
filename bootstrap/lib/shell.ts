import { $ } from 'zx'
import { Fail, lastLines } from '../../scripts/lib/fail.ts'
import type { Log } from './log.ts'

export interface Output {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface ShellOptions {
  /** Text for standard input; the way secrets travel. */
  input?: string
  /** Give up after this many seconds. Default 60. */
  seconds?: number
  /** Return a non-zero exit instead of throwing. */
  allowFailure?: boolean
  env?: Record<string, string>
  /** The next command to name when this one fails. */
  next?: string
}

/** Runs one command line; values are quoted by zx. Tests put a recorder in its place. */
export type Shell = (
  options?: ShellOptions,
) => (pieces: TemplateStringsArray, ...args: unknown[]) => Promise<Output>

/** The command line as a person would type it, for logs and transcripts. */
export function render(pieces: TemplateStringsArray, args: unknown[]): string {
  return pieces.reduce(
    (text, piece, i) => text + piece + (i < args.length ? [args[i]].flat().join(' ') : ''),
    '',
  )
}

/**
 * The real thing. Every command has a time limit, its output goes to the log, and a failure carries the command's
 * own last lines.
 * @throws {Fail} when the command fails or exceeds its limit, unless `allowFailure` is set.
 */
export function realShell(log: Log): Shell {
  return (o = {}) =>
    async (pieces, ...args) => {
      const command = render(pieces, args)
      const seconds = o.seconds ?? 60
      log.line(`$ ${command}`)
      const run = $({
        quiet: true,
        nothrow: true,
        timeout: `${seconds}s`,
        killSignal: 'SIGTERM',
        input: o.input ?? '',
        env: { ...process.env, LC_ALL: 'C.UTF-8', ...o.env },
      })
      const started = Date.now()
      const result = await run(pieces, ...(args as string[]))
      for (const text of `${result.stdout}${result.stderr}`.trimEnd().split('\n'))
        if (text) log.line(`  ${text}`)
      const exitCode = result.exitCode ?? 1
      if (exitCode !== 0) log.line(`  exit ${exitCode}`)
      if (exitCode !== 0 && o.allowFailure !== true) {
        const slow = Date.now() - started >= seconds * 1000
        throw new Fail(
          slow ? `gave up after ${seconds} s: ${command}` : `exit ${exitCode} from: ${command}`,
          {
            next: o.next ?? 'mend the cause shown above, then run the same command again',
            output: log.clean(lastLines(`${result.stdout}${result.stderr}`)),
          },
        )
      }
      return { stdout: result.stdout, stderr: result.stderr, exitCode }
    }
}
