import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import * as z from 'zod'
import type { Secret } from '../../secrets/secret.ts'
import { Fail } from '../lib/fail.ts'
import { ROOT } from '../lib/stack.ts'

const LIMIT_MS = 20 * 60_000

const finding = z.object({ problem: z.string(), remedy: z.string() })
const reportSchema = z.object({
  ok: z.boolean(),
  refused: z.array(finding).optional(),
  failure: z
    .object({ step: z.string(), resource: z.string(), message: z.string(), next: z.string() })
    .optional(),
})

/**
 * Runs the bootstrap's own steps, as a program of its own; its progress goes to standard error.
 * @param args further options of bootstrap/all.ts
 * @param key the host's age key, given by a pipe
 * @throws Fail naming the step, or everything its preflight found
 */
export async function runBootstrap(args: readonly string[], key: Secret): Promise<void> {
  const program = [`${ROOT}/bootstrap/all.ts`, '--recovering', '--json', '--age-key-fd', '3', ...args]
  // Its times are its own.
  const { BOOTSTRAP_STARTED: _, ...env } = process.env
  const child = spawn(process.execPath, program, {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    env,
    timeout: LIMIT_MS,
  })
  const [, out, , keyPipe] = child.stdio
  if (!out || !keyPipe || !('write' in keyPipe)) throw new Error('the bootstrap was started without pipes')
  // A bootstrap that is refused does not read its key.
  keyPipe.on('error', () => undefined)
  keyPipe.end(`${key.reveal()}\n`)
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const [printed, code] = await Promise.all([text(out), ended])
  if (code === 0) return
  const again = { next: 'mend the cause shown above, then run the same command again' }
  if (!printed.trimStart().startsWith('{'))
    throw new Fail(`the bootstrap ended with ${code ?? 'a signal'}`, again)
  const { refused, failure } = reportSchema.parse(JSON.parse(printed))
  if (failure) throw new Fail(`${failure.step} failed at ${failure.resource}: ${failure.message}`, failure)
  const problems = refused?.map(({ problem }) => problem).join('; ')
  throw new Fail(`the bootstrap refused this host: ${problems}`, { next: refused?.[0]?.remedy ?? again.next })
}
