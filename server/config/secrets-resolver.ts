import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FixedSecretName, SECRET_NAME, SECRETS } from '../../secrets/schema.ts'
import { Secret } from '../../secrets/secret.ts'

const SCHEME = 'secrets://'
/** What example files and tutorials leave behind; a real secret never starts like this. */
const PLACEHOLDER =
  /^(your[-_ ]|change[-_ ]?me|example|placeholder|replace[-_ ]?me|todo|dummy|x{3,}|\*{3,}|<.*>$)/i

/** A secret that is missing or unusable. The message names it, where it was looked for and the remedy, never the value. */
export class SecretError extends Error {
  override readonly name = 'SecretError'
}

/**
 * Reads the secret `name` for the server, in this order: the variable holds `secrets://other_name` → that file in `dir`;
 * the variable holds anything else → the variable itself; the variable is unset → the file `name` in `dir`.
 *
 * @param value What the environment variable of this secret holds.
 * @param dir The directory with one file per secret.
 * @returns `undefined` when an optional secret is in neither place.
 * @throws SecretError when it is missing, empty, too short, or a placeholder.
 */
export function resolveSecret(
  name: FixedSecretName,
  value: string | undefined,
  dir: string,
): Secret | undefined {
  const spec = SECRETS[name]
  const label = spec.env ?? name
  const text =
    value === undefined ? readSecretFile(name, dir, label, spec.optional) : resolveValue(value, dir, label)
  if (text === undefined) return undefined
  if (text === '') throw new SecretError(`${label} is empty. Put the value into ${join(dir, name)}.`)
  if (PLACEHOLDER.test(text) || /^(.)\1*$/.test(text)) {
    throw new SecretError(`${label} still holds a placeholder. Set the real value: ${spec.title}.`)
  }
  if (text.length < spec.minLength) {
    const shape = `${text.length} characters, at least ${spec.minLength} are needed`
    throw new SecretError(`${label} is too short (${shape}). Set the real value: ${spec.title}.`)
  }
  return new Secret(text)
}

function resolveValue(value: string, dir: string, label: string): string | undefined {
  if (!value.startsWith(SCHEME)) return value
  return readSecretFile(value.slice(SCHEME.length), dir, label, undefined)
}

function readSecretFile(
  name: string,
  dir: string,
  label: string,
  optional: true | undefined,
): string | undefined {
  // Also what keeps a name from leaving the directory.
  if (!SECRET_NAME.test(name)) {
    throw new SecretError(
      `${label} refers to a secret by an invalid name. Write secrets://name, name like ${SECRET_NAME.source}.`,
    )
  }
  const path = join(dir, name)
  try {
    return readFileSync(path, 'utf8').replace(/\n$/, '')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' && optional) return undefined
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`
    throw new SecretError(
      `${label}: the secret ${name} is needed, and ${path} ${why}. Set it in secrets/secrets.enc.yaml and start again.`,
    )
  }
}
