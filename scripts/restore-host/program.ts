import type { Readable } from 'node:stream'
import { $ } from 'zx'
import { Fail, lastLines } from '../lib/fail.ts'

/**
 * Runs a program to its end.
 * @param o.seconds until it is given up
 * @param o.input for its standard input; default: nothing
 * @throws Fail with its own last lines
 */
export async function runProgram(
  argv: readonly string[],
  o: { seconds: number; input?: Readable },
): Promise<void> {
  const run = $({ quiet: true, nothrow: true, timeout: `${o.seconds}s`, input: o.input ?? '' })
  const result = await run`${argv}`
  if (result.exitCode === 0) return
  throw new Fail(`${argv.slice(0, 2).join(' ')} ended with ${result.signal ?? result.exitCode}`, {
    next: 'mend the cause shown above, then run the same command again',
    output: lastLines(`${result.stdout}${result.stderr}`),
  })
}
