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
  readonly pepper: Secret
  readonly previousPepper: PreviousPepper | undefined
  /** Where `secrets://name` of the database is looked up, after `secretOverrides`. */
  readonly secretsDir: string
  /** Secrets that the environment names, by name. The files of the others are read anew each time. */
  readonly secretOverrides: ReadonlyMap<string, Secret>
  readonly mediaSigningSecret: Secret
  /** Accepted, never signed with, while a rotation is under way. */
  readonly previousMediaSigningSecret: Secret | undefined
  readonly graphUrl: URL
  /** `v26.0` */
  readonly graphVersion: string
  /** Meta's id of the number that tools use when the caller names none. */
  readonly defaultPhoneNumberId: string | undefined
  readonly mediaRoot: string
  readonly auditDir: string
  /** Days after which messages and media are forgotten. */
  readonly retention: { readonly messagesDays: number; readonly mediaDays: number }
  /** undefined: the embedded runner does the work. */
  readonly inngest: InngestConfig | undefined
  /** undefined: no metrics are served. Port 0 picks a free one. */
  readonly metrics: { readonly bind: string; readonly port: number } | undefined
}

export interface InngestConfig {
  /** Of the Inngest server, never the vendor's cloud by default. */
  readonly baseUrl: URL
  /** Where the Inngest server finds us; its path is fixed. */
  readonly serveOrigin: URL
  readonly signingKey: Secret
  readonly previousSigningKey: Secret | undefined
  readonly eventKey: Secret
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

const directory = z.string().startsWith('/', { error: 'must be an absolute path' })
const days = z.coerce.number({ error: 'must be a number of days' }).int().min(1).max(36_500)
const plainUrl = z
  .url({ protocol: /^https?$/, error: 'must be an address, such as http://inngest:8288' })
  .transform((text) => new URL(text))

const listenSchema = z.object({
  APP_BIND: bind.default('127.0.0.1').describe('Address to listen on; in the image `0.0.0.0`'),
  APP_HTTP_PORT: port.default(3000).describe('Port to listen on; plain HTTP, behind the proxy'),
})
const databaseSchema = z.object({
  DATABASE_URL: databaseUrl.describe('`postgres://host:port/wa_mcp`, without user and password'),
  LOG_LEVEL: logLevel
    .default('info')
    .describe('`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`'),
})
const auditSchema = z.object({
  AUDIT_DIR: directory
    .default('/var/lib/whatsapp-mcp/audit')
    .describe('Where closed segments of the audit log go'),
})
const graphSchema = z.object({
  WA_GRAPH_URL: plainUrl.default(new URL('https://graph.facebook.com')).describe("Meta's Graph API"),
  WA_GRAPH_API_VERSION: z
    .string()
    .regex(/^v\d{2,3}\.\d$/, { error: 'must be a version, such as v26.0' })
    .default('v26.0')
    .describe('Version of the Graph API, in every path'),
})
const adminSchema = z.object({ ...databaseSchema.shape, ...auditSchema.shape, ...graphSchema.shape })
const appSchema = z.object({
  ...listenSchema.shape,
  ...databaseSchema.shape,
  ...auditSchema.shape,
  PUBLIC_URL: httpsUrl.describe(
    '`https://wa.example.org`: its host is what `Host` and `Origin` may say, and where links to files lead',
  ),
  ...graphSchema.shape,
  WA_DEFAULT_PHONE_NUMBER_ID: z
    .string()
    .regex(/^\d{5,32}$/, { error: "must be Meta's id of the number: digits" })
    .optional()
    .describe("Meta's id of the number a tool works on where the caller may use several and names none"),
  MEDIA_ROOT: directory.default('/var/lib/whatsapp-mcp/media').describe('Where files are stored'),
  MESSAGES_RETENTION_DAYS: days
    .default(365)
    .describe('Days after which messages, statuses and deliveries are removed'),
  MEDIA_RETENTION_DAYS: days.default(365).describe('Days after which files are removed'),
  INNGEST_BASE_URL: plainUrl
    .optional()
    .describe('Inngest server that runs the jobs; without it the app runs them itself'),
  INNGEST_SERVE_ORIGIN: plainUrl
    .optional()
    .describe('Where that Inngest server finds the app, by default `PUBLIC_URL`'),
  METRICS_BIND: bind.default('127.0.0.1').describe('Address of `/metrics` and the detailed `/health`'),
  METRICS_PORT: port.optional().describe('Their port, never to be published; without it they are not served'),
})

/** What `serve` reads from the environment beside its secrets; the other commands read some of it. For the reference. */
export const SETTINGS: Readonly<Record<string, z.ZodType>> = appSchema.shape

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
    ...secretsOfApp(env, secrets, problems),
    graphUrl: values.WA_GRAPH_URL,
    graphVersion: values.WA_GRAPH_API_VERSION,
    defaultPhoneNumberId: values.WA_DEFAULT_PHONE_NUMBER_ID,
    mediaRoot: values.MEDIA_ROOT,
    auditDir: values.AUDIT_DIR,
    retention: { messagesDays: values.MESSAGES_RETENTION_DAYS, mediaDays: values.MEDIA_RETENTION_DAYS },
    inngest: inngest(
      env,
      values.INNGEST_BASE_URL,
      values.INNGEST_SERVE_ORIGIN ?? values.PUBLIC_URL,
      secrets,
      problems,
    ),
    metrics:
      values.METRICS_PORT === undefined
        ? undefined
        : { bind: values.METRICS_BIND, port: values.METRICS_PORT },
  }))
}

/** What the server and the commands of the operator read alike. */
function secretsOfApp(env: Environment, secrets: SecretReader, problems: string[]) {
  return {
    databasePassword: secrets.required('postgres_app_password'),
    pepper: secrets.required('api_key_pepper'),
    previousPepper: previousPepper(secrets, problems),
    secretsDir: env.SECRETS_DIR || '/run/secrets',
    secretOverrides: secrets.given,
    mediaSigningSecret: secrets.required('media_signing_secret'),
    previousMediaSigningSecret: secrets.optional('media_signing_secret_previous'),
  }
}

/** All of it or nothing: half a configuration would send events to the vendor's cloud, or leave calls unverified. */
function inngest(
  env: Environment,
  baseUrl: URL | undefined,
  serveOrigin: URL,
  secrets: SecretReader,
  problems: string[],
): InngestConfig | undefined {
  if (env.INNGEST_DEV && !['0', 'false'].includes(env.INNGEST_DEV)) {
    problems.push('INNGEST_DEV turns the check of signatures off. Unset it.')
  }
  const signingKey = secrets.optional('inngest_signing_key')
  const eventKey = secrets.optional('inngest_event_key')
  if (baseUrl === undefined) return undefined
  if (signingKey === undefined || eventKey === undefined) {
    problems.push('INNGEST_BASE_URL needs the secrets inngest_signing_key and inngest_event_key.')
    return undefined
  }
  const previousSigningKey = secrets.optional('inngest_signing_key_previous')
  return { baseUrl, serveOrigin, signingKey, previousSigningKey, eventKey }
}

/** Settings of the admin commands: those of `serve` but for where it listens and what it stores. */
export type AdminConfig = Pick<
  AppConfig,
  | 'databaseUrl'
  | 'databasePassword'
  | 'pepper'
  | 'previousPepper'
  | 'mediaSigningSecret'
  | 'previousMediaSigningSecret'
  | 'secretsDir'
  | 'secretOverrides'
  | 'graphUrl'
  | 'graphVersion'
  | 'logLevel'
  | 'auditDir'
>

/** @throws ConfigError listing everything that is wrong. */
export function loadAdminConfig(env: Environment = process.env): AdminConfig {
  return load(env, adminSchema, 'app', (values, secrets, problems) => ({
    logLevel: values.LOG_LEVEL,
    databaseUrl: values.DATABASE_URL,
    auditDir: values.AUDIT_DIR,
    graphUrl: values.WA_GRAPH_URL,
    graphVersion: values.WA_GRAPH_API_VERSION,
    ...secretsOfApp(env, secrets, problems),
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
