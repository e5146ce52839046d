import * as z from 'zod'
import { type Consumer, type FixedSecretName, SECRET_NAMES, SECRETS } from '../../secrets/schema.ts'
import type { Secret } from '../../secrets/secret.ts'
import { resolveSecret, SecretError } from './secrets-resolver.ts'

const DAY = 86_400_000
const LONGEST_SOFT_ROTATION_DAYS = 30
/** A pepper that was replaced, and the moment its keys stop working. */
export interface PreviousPepper {
  readonly pepper: Secret
  readonly expires: Date
}

/** The secrets of one consumer, all read and checked. */
export class SecretReader {
  readonly #found = new Map<FixedSecretName, Secret>()
  readonly #given = new Map<FixedSecretName, Secret>()

  /** Reads every secret `consumer` is given; what is wrong is added to `problems`. */
  constructor(env: Readonly<Record<string, string | undefined>>, consumer: Consumer, problems: string[]) {
    const dir = env.SECRETS_DIR || '/run/secrets'
    for (const name of SECRET_NAMES) {
      const spec = SECRETS[name]
      if (spec.env === undefined || !spec.consumers.includes(consumer)) continue
      try {
        const secret = resolveSecret(name, env[spec.env], dir)
        if (secret === undefined) continue
        this.#found.set(name, secret)
        if (env[spec.env] !== undefined) this.#given.set(name, secret)
      } catch (error) {
        if (!(error instanceof SecretError)) throw error
        problems.push(error.message)
      }
    }
  }

  /** Those that the environment names; all others are files, which may be replaced while we run. */
  get given(): ReadonlyMap<string, Secret> {
    return this.#given
  }

  optional(name: FixedSecretName): Secret | undefined {
    return this.#found.get(name)
  }

  required(name: FixedSecretName): Secret {
    const secret = this.#found.get(name)
    if (secret === undefined) throw new Error(`${name} is not a required secret here`)
    return secret
  }
}

/** The previous pepper with its end, when a rotation is under way; what is wrong is added to `problems`. */
export function previousPepper(secrets: SecretReader, problems: string[]): PreviousPepper | undefined {
  const pepper = secrets.optional('api_key_pepper_previous')
  const until = secrets.optional('api_key_pepper_previous_expires')
  if (pepper === undefined && until === undefined) return undefined
  if (pepper === undefined || until === undefined) {
    problems.push(
      'API_KEY_PEPPER_PREVIOUS and API_KEY_PEPPER_PREVIOUS_EXPIRES belong together: set both or neither.',
    )
    return undefined
  }
  const parsed = z.union([z.iso.datetime({ offset: true }), z.iso.date()]).safeParse(until.reveal())
  const expires = new Date(parsed.success ? parsed.data : Number.NaN)
  if (Number.isNaN(expires.getTime())) {
    problems.push('API_KEY_PEPPER_PREVIOUS_EXPIRES must be a moment such as 2027-01-31T00:00:00Z.')
  } else if (expires.getTime() > Date.now() + LONGEST_SOFT_ROTATION_DAYS * DAY) {
    problems.push(`API_KEY_PEPPER_PREVIOUS_EXPIRES must be at most ${LONGEST_SOFT_ROTATION_DAYS} days ahead.`)
  }
  return { pepper, expires }
}
