import * as z from 'zod'
import type { Consumer } from '../../secrets/schema.ts'
import type { Secret } from '../../secrets/secret.ts'
import { type PreviousPepper, previousPepper, SecretReader } from './secrets.ts'

/** The environment, as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Everything wrong with the environment, at once, in words for the operator. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
  }
}

export interface AppConfig {
  readonly bind: string
  readonly port: number
  readonly logLevel: z.infer<typeof logLevel>
  /** Only its host name matters: what `Host` and `Origin` may say. */
  readonly publicUrl: URL
  readonly databaseUrl: URL
  readonly databasePassword: Secret
  /** The current app secret first. */
  readonly appSecrets: readonly Secret[]
  readonly verifyToken: Secret
  readonly pepper: Secret
  readonly previousPepper: PreviousPepper | undefined
}

export interface MigrateConfig {
  readonly logLevel: z.infer<typeof logLevel>
  readonly databaseUrl: URL
  readonly superuserPassword: Secret
  readonly ownerPassword: Secret
  readonly appPassword: Secret
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
const bind = z.union([z.ipv4(), z.ipv6(), z.literal('localhost')], {
  error: 'must be an IP address, such as 127.0.0.1',
})
const port = z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65_535)
const httpsUrl = z
  .url({ protocol: /^https?$/, error: 'must be the public address, such as https://wa.example.org' })
  .transform((text) => new URL(text))
  .refine((url) => url.protocol === 'https:' || LOOPBACK.has(url.hostname), 'must start with https://')
const databaseUrl = z
  .url({ protocol: /^postgres(ql)?$/, error: 'must look like postgres://host:5432/wa_mcp' })
  .transform((text) => new URL(text))
  .refine(
    (url) => !url.username && !url.password,
    'must hold no user and no password; they come from the secrets',
  )
  .refine((url) => url.pathname.length > 1, 'must end with the name of the database, such as /wa_mcp')

const listenSchema = z.object({ APP_BIND: bind.default('127.0.0.1'), APP_HTTP_PORT: port.default(3000) })
const databaseSchema = z.object({ DATABASE_URL: databaseUrl, LOG_LEVEL: logLevel.default('info') })
const appSchema = z.object({ ...listenSchema.shape, ...databaseSchema.shape, PUBLIC_URL: httpsUrl })

/**
 * Settings of `serve`. Every secret of the consumer `app` must be there, so that an incomplete host does not start.
 *
 * @throws ConfigError listing everything that is wrong.
 */
export function loadAppConfig(env: Environment = process.env): AppConfig {
  return load(env, appSchema, 'app', (values, secrets, problems) => ({
    bind: values.APP_BIND,
    port: values.APP_HTTP_PORT,
    logLevel: values.LOG_LEVEL,
    publicUrl: values.PUBLIC_URL,
    databaseUrl: values.DATABASE_URL,
    databasePassword: secrets.required('postgres_app_password'),
    appSecrets: [secrets.required('wa_app_secret'), secrets.optional('wa_app_secret_previous')].filter(
      (s) => s !== undefined,
    ),
    verifyToken: secrets.required('wa_webhook_verify_token'),
    pepper: secrets.required('api_key_pepper'),
    previousPepper: previousPepper(secrets, problems),
  }))
}

/** Settings of the admin commands: those of `serve` that concern the database and the keys. */
export type AdminConfig = Pick<AppConfig, 'databaseUrl' | 'databasePassword' | 'pepper' | 'logLevel'>

/** @throws ConfigError listing everything that is wrong. */
export function loadAdminConfig(env: Environment = process.env): AdminConfig {
  return load(env, databaseSchema, 'app', (values, secrets) => ({
    logLevel: values.LOG_LEVEL,
    databaseUrl: values.DATABASE_URL,
    databasePassword: secrets.required('postgres_app_password'),
    pepper: secrets.required('api_key_pepper'),
  }))
}

/** Settings of `migrate`. @throws ConfigError listing everything that is wrong. */
export function loadMigrateConfig(env: Environment = process.env): MigrateConfig {
  return load(env, databaseSchema, 'migrate', (values, secrets) => ({
    logLevel: values.LOG_LEVEL,
    databaseUrl: values.DATABASE_URL,
    superuserPassword: secrets.required('postgres_password'),
    ownerPassword: secrets.required('postgres_owner_password'),
    appPassword: secrets.required('postgres_app_password'),
  }))
}

/** Where the server listens; needs no secret, so that a health check stays cheap. @throws ConfigError */
export function loadListenAddress(env: Environment = process.env): { bind: string; port: number } {
  const parsed = listenSchema.safeParse(unsetIfEmpty(env))
  if (!parsed.success) throw new ConfigError(describe(parsed.error, env))
  return { bind: parsed.data.APP_BIND, port: parsed.data.APP_HTTP_PORT }
}

function load<Values, Config>(
  env: Environment,
  schema: z.ZodType<Values>,
  consumer: Consumer,
  build: (values: Values, secrets: SecretReader, problems: string[]) => Config,
): Config {
  // Compiling a parser pays off from the second use on.
  const parsed = schema.safeParse(unsetIfEmpty(env), { jitless: true })
  const problems = parsed.success ? [] : describe(parsed.error, env)
  const secrets = new SecretReader(env, consumer, problems)
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems)
  const config = build(parsed.data, secrets, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

/** Compose hands an unset variable over as an empty one. */
function unsetIfEmpty(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

/** Zod's own words never repeat the value, ours must not either. */
function describe(error: z.ZodError, env: Environment): string[] {
  return error.issues.map((issue) => {
    const name = String(issue.path[0])
    return env[name] ? `${name} ${issue.message}.` : `${name} is not set.`
  })
}
