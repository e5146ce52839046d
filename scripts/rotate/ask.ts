import { problemOfValue } from '../../secrets/check.ts'
import { type SecretName, specOf } from '../../secrets/schema.ts'
import { Secret } from '../../secrets/secret.ts'
import { Refused } from '../lib/fail.ts'
import { askHidden, isInteractive, readStdin } from '../lib/prompt.ts'

/**
 * A new value that only a person knows, from a hidden prompt or standard input.
 * @throws Refused when it cannot be used, or is the old one
 */
export async function ask(name: SecretName, old: Secret | undefined): Promise<Secret> {
  const problem = (typed: Secret): string | undefined =>
    problemOfValue(name, typed) ??
    (typed.reveal() === old?.reveal() ? 'is the value it has already' : undefined)
  if (isInteractive()) return askHidden(`New: ${specOf(name).title}`, '', (typed) => problem(typed) ?? true)
  if (process.stdin.isTTY) {
    throw new Refused('there is no terminal to ask on', { next: 'give the new value on standard input' })
  }
  const given = new Secret((await readStdin()).replace(/\r?\n$/, ''))
  const wrong = problem(given)
  if (wrong !== undefined)
    throw new Refused(`the new ${name} on standard input ${wrong}`, {
      next: 'check how it was copied, and run the same command again',
    })
  return given
}
