/**
 * The one list of secrets: what the encrypted file must hold, which container may read each value, and how the
 * server's configuration names it. The encrypted file, `explode` and `server/config` all follow this list.
 */
import { problemOfAudit, problemOfOffsite } from './remotes.ts'

/** A program that reads secrets, with the numeric owner its container runs as. */
export const CONSUMERS = {
  /** distroless `nonroot` */
  app: { uid: 65532, gid: 65532 },
  /** the one-shot container that creates roles and migrates */
  migrate: { uid: 65532, gid: 65532 },
  /** user `postgres` of the alpine image */
  postgres: { uid: 70, gid: 70 },
  /** user `inngest` of its image, where the profile of that name is used */
  inngest: { uid: 1000, gid: 1000 },
  /** root's own jobs on the host: backups, their copies elsewhere, alerts; no container sees these */
  host: { uid: 0, gid: 0 },
} as const

export type Consumer = keyof typeof CONSUMERS

export interface SecretSpec {
  /** One line for people: what it is and, where a person must supply it, where it is found. */
  readonly title: string
  readonly consumers: readonly Consumer[]
  /** Environment variable of the server; absent where the server never reads the value. */
  readonly env?: string
  /** `ask`: only a person knows it. `generate`: we make it, with this many random bytes, in hex. */
  readonly source: 'ask' | { readonly generate: number }
  readonly optional?: true
  /** Shortest acceptable value, in characters. */
  readonly minLength: number
  /** What is wrong with the form of a value, or `undefined`; the value is not part of the answer. */
  readonly problem?: (text: string) => string | undefined
}

const problemOfUrl = (text: string): string | undefined =>
  /^https?:/.test(text) && URL.canParse(text)
    ? undefined
    : 'must be a URL that begins with https:// or http://'

const table = {
  wa_app_secret: {
    title: 'App secret of the Meta app (App settings > Basic)',
    consumers: ['app'],
    env: 'WA_APP_SECRET',
    source: 'ask',
    minLength: 16,
  },
  wa_app_secret_previous: {
    title: 'App secret before the last reset, accepted while Meta still signs with it',
    consumers: ['app'],
    env: 'WA_APP_SECRET_PREVIOUS',
    source: 'ask',
    optional: true,
    minLength: 16,
  },
  wa_webhook_verify_token: {
    title: 'Token Meta repeats when the webhook URL is saved; paste it there',
    consumers: ['app'],
    env: 'WA_WEBHOOK_VERIFY_TOKEN',
    source: { generate: 24 },
    minLength: 16,
  },
  wa_default_access_token: {
    title: 'Access token of the system user (Business settings > System users)',
    consumers: ['app'],
    env: 'WA_DEFAULT_ACCESS_TOKEN',
    source: 'ask',
    minLength: 16,
  },
  api_key_pepper: {
    title: 'Key under which API keys are hashed',
    consumers: ['app'],
    env: 'API_KEY_PEPPER',
    source: { generate: 32 },
    minLength: 32,
  },
  api_key_pepper_previous: {
    title: 'Pepper before the last rotation, accepted until it expires',
    consumers: ['app'],
    env: 'API_KEY_PEPPER_PREVIOUS',
    source: 'ask',
    optional: true,
    minLength: 32,
  },
  api_key_pepper_previous_expires: {
    title: 'When the previous pepper stops being accepted (ISO 8601, at most 30 days ahead)',
    consumers: ['app'],
    env: 'API_KEY_PEPPER_PREVIOUS_EXPIRES',
    source: 'ask',
    optional: true,
    minLength: 10,
  },
  media_signing_secret: {
    title: 'Key that signs media links',
    consumers: ['app'],
    env: 'MEDIA_SIGNING_SECRET',
    source: { generate: 32 },
    minLength: 32,
  },
  media_signing_secret_previous: {
    title: 'Key of media links before the last rotation, accepted while links made with it live',
    consumers: ['app'],
    env: 'MEDIA_SIGNING_SECRET_PREVIOUS',
    source: 'ask',
    optional: true,
    minLength: 32,
  },
  inngest_event_key: {
    title: 'Key with which events are handed to Inngest, where Inngest is used',
    consumers: ['app', 'inngest'],
    env: 'INNGEST_EVENT_KEY',
    source: { generate: 24 },
    optional: true,
    minLength: 16,
  },
  inngest_signing_key: {
    title: 'Key with which Inngest signs its calls, where Inngest is used (hex)',
    consumers: ['app', 'inngest'],
    env: 'INNGEST_SIGNING_KEY',
    source: { generate: 32 },
    optional: true,
    minLength: 32,
  },
  inngest_signing_key_previous: {
    title: 'Signing key of Inngest before the last rotation',
    consumers: ['app'],
    env: 'INNGEST_SIGNING_KEY_FALLBACK',
    source: 'ask',
    optional: true,
    minLength: 32,
  },
  postgres_password: {
    title: 'Password of the database superuser, used at initialisation and by migrations',
    consumers: ['postgres', 'migrate'],
    env: 'POSTGRES_PASSWORD',
    source: { generate: 24 },
    minLength: 24,
  },
  postgres_owner_password: {
    title: 'Password of wa_owner, the role that owns the schema',
    consumers: ['migrate'],
    env: 'POSTGRES_OWNER_PASSWORD',
    source: { generate: 24 },
    minLength: 24,
  },
  postgres_app_password: {
    title: 'Password of wa_app, the role the server works as',
    consumers: ['app', 'migrate'],
    env: 'POSTGRES_APP_PASSWORD',
    source: { generate: 24 },
    minLength: 24,
  },
  backup_signing_key: {
    title: 'Key that signs the manifest of each backup, so that only our own are restored',
    consumers: ['host'],
    source: { generate: 32 },
    minLength: 32,
  },
  offsite_remote: {
    title: 'Where encrypted backups are copied to: JSON with type, path and options of rclone',
    consumers: ['host'],
    source: 'ask',
    optional: true,
    minLength: 2,
    problem: problemOfOffsite,
  },
  audit_remote: {
    title: 'Where audit segments are pushed to: JSON with host, port, user, key and known_hosts',
    consumers: ['host'],
    source: 'ask',
    optional: true,
    minLength: 2,
    problem: problemOfAudit,
  },
  alert_url: {
    title: 'URL to which an alert is posted as JSON when a unit fails',
    consumers: ['host'],
    source: 'ask',
    optional: true,
    minLength: 10,
    problem: problemOfUrl,
  },
} as const satisfies Record<string, SecretSpec>

/** Secrets there is one of. */
export type FixedSecretName = keyof typeof table

export const SECRETS: Readonly<Record<FixedSecretName, SecretSpec>> = table

export const SECRET_NAMES = Object.keys(table) as readonly FixedSecretName[]

/** Secrets there may be several of: one per number or Meta app, which the database names by it, or one per job. */
export const FAMILIES = {
  wa_access_token_: {
    title: 'Access token of numbers that have one of their own',
    consumers: ['app'],
    source: 'ask',
    optional: true,
    minLength: 16,
  },
  wa_app_secret_: {
    title: 'App secret of a further Meta app (App settings > Basic)',
    consumers: ['app'],
    source: 'ask',
    optional: true,
    minLength: 16,
  },
  wa_webhook_verify_token_: {
    title: 'Verify token of a further Meta app; paste it there',
    consumers: ['app'],
    source: { generate: 24 },
    optional: true,
    minLength: 16,
  },
  ping_url_: {
    title:
      'Dead-man URL of a job (backup_db, sync_offsite …), called after each success, with /fail after a failure',
    consumers: ['host'],
    source: 'ask',
    optional: true,
    minLength: 10,
    problem: problemOfUrl,
  },
} as const satisfies Record<string, SecretSpec>

type Family = keyof typeof FAMILIES

export type SecretName = FixedSecretName | ReplacedName | `${Family}${string}`

const PREVIOUS = '_previous'

/** Where the value before stays while a secret is being replaced, until it is proved that it no longer works. */
export type ReplacedName = `${FixedSecretName}${typeof PREVIOUS}`

/** What follows the name of the family: the number's, the app's or the job's. */
const MEMBER = /^[a-z0-9_]{1,48}$/

/** @returns `undefined` for a name that is none of ours. */
export function findSpec(name: string): SecretSpec | undefined {
  if (Object.hasOwn(SECRETS, name)) return SECRETS[name as FixedSecretName]
  const replaced = name.endsWith(PREVIOUS) ? name.slice(0, -PREVIOUS.length) : ''
  if (Object.hasOwn(SECRETS, replaced)) return specOfReplaced(SECRETS[replaced as FixedSecretName])
  const family = Object.entries(FAMILIES).find(
    ([start]) => name.startsWith(start) && MEMBER.test(name.slice(start.length)),
  )
  return family?.[1]
}

/** Nobody reads it: where a server accepts the value before, the list names it itself. */
function specOfReplaced({ title, minLength }: SecretSpec): SecretSpec {
  return {
    title: `${title}; the one before, while its replacement is not yet proved`,
    consumers: [],
    source: 'ask',
    optional: true,
    minLength,
  }
}

/** @throws Error for a name of no family, which the type alone cannot exclude. */
export function specOf(name: SecretName): SecretSpec {
  const spec = findSpec(name)
  if (spec === undefined) throw new Error(`${name} is not a secret of this project`)
  return spec
}

/** A secret's name; also its key in the encrypted file and its file name on the host. */
export const SECRET_NAME = /^[a-z][a-z0-9_]{0,80}$/
