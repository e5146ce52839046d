import { findSpec, SECRET_NAMES, type SecretName, specOf } from './schema.ts'
import type { Secret } from './secret.ts'

/** Whether the project has a secret of this name, fixed or by pattern (`wa_access_token_<name>`). */
export function isSecretName(name: string): name is SecretName {
  return findSpec(name) !== undefined
}

/** Why a value cannot be used for this secret, or `undefined`; the value is not part of the answer. */
export function problemOfValue(name: SecretName, value: Secret): string | undefined {
  const text = value.reveal()
  // Programs disagree about blanks and line ends around a secret: a database strips what another takes literally.
  if (text !== text.trim()) return 'must not begin or end with a blank or line end'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get in
  if (/[\x00-\x1f\x7f]/.test(text)) return 'must be one line without control characters'
  if (!text.isWellFormed()) return 'holds characters that are not valid Unicode'
  const { minLength, problem } = specOf(name)
  if (text.length < minLength) return `must have at least ${minLength} characters, has ${text.length}`
  return problem?.(text)
}

/** What is wrong with a whole set of secrets: unknown names, missing ones, unusable values. [] = nothing. */
export function problemsOf(values: ReadonlyMap<string, Secret>): string[] {
  const problems: string[] = []
  for (const [name, value] of values) {
    if (!isSecretName(name)) {
      problems.push(
        `${name} is not a secret of this project; remove it: npx zx scripts/secrets.ts unset ${name}`,
      )
      continue
    }
    const problem = problemOfValue(name, value)
    if (problem) problems.push(`${name} ${problem}`)
  }
  for (const name of SECRET_NAMES) {
    if (!values.has(name) && !isOptional(name)) {
      problems.push(`${name} is missing; set it: npx zx scripts/secrets.ts set ${name}`)
    }
  }
  return problems
}

/** Whether the project works without this secret. */
export function isOptional(name: SecretName): boolean {
  return specOf(name).optional === true
}
