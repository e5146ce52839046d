import { readFile } from 'node:fs/promises'
import prompts from 'prompts'
import { parse, stringify } from 'yaml'
import * as z from 'zod'
import { Fail } from '../../scripts/lib/fail.ts'
import { readIfThere } from './files.ts'

const DOMAIN_SHAPE = 'a host name in lower case, such as wa.example.org, without https:// and without a path'
const DOMAIN = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/
const IMAGE = /^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$/
const IMAGE_SHAPE = 'an image by digest, such as ghcr.io/you/whatsapp-mcp@sha256:<64 hex digits>'
const image = z.string(IMAGE_SHAPE).regex(IMAGE, IMAGE_SHAPE)

const CALENDAR = /^[A-Za-z0-9*:,./~ -]{1,100}$/
const CALENDAR_SHAPE = 'times of systemd, such as "*-*-* 0/6:00:00 UTC" (every six hours)'

const DAYS_SHAPE = 'whole days, 1 to 36500'
const days = z.int(DAYS_SHAPE).min(1, DAYS_SHAPE).max(36_500, DAYS_SHAPE)

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'

/** What only the operator knows. No secrets in here: those live in the encrypted file. */
export const answersSchema = z.strictObject({
  domain: z.string(DOMAIN_SHAPE).regex(DOMAIN, DOMAIN_SHAPE),
  email: z.email('an address for the certificate authority, such as ops@example.org'),
  acme_server: z
    .url({ protocol: /^https$/, error: 'an ACME directory URL that starts with https://' })
    .default(LETS_ENCRYPT),
  /** Where Graph is instead of at Meta's: a rehearsal has a stand-in. */
  graph_url: z
    .url({ protocol: /^https?$/, error: "the address of a stand-in for Meta's Graph API" })
    .optional(),
  /** When backups are made, as systemd.time(7) writes it; its own word on it is asked for before anything is changed. */
  backup_calendar: z.string(CALENDAR_SHAPE).regex(CALENDAR, CALENDAR_SHAPE).optional(),
  /** After how many days messages, and files, are forgotten; the server's own default is a year. */
  messages_retention_days: days.optional(),
  media_retention_days: days.optional(),
  /** What sshd takes: `leave` it as it is, `keys` instead of passwords (where somebody has one), or `strict`. */
  ssh: z.enum(['leave', 'keys', 'strict'], 'leave, keys or strict').optional(),
  /** true: the host reboots by itself, in the hour of its updates, when one of them asks for it. */
  automatic_reboot: z.boolean('true or false').optional(),
  /** true: jobs are run by an Inngest server on this host instead of by the app itself. */
  inngest: z.boolean('true or false').optional(),
  images: z.strictObject(
    {
      app: image,
      postgres: image.optional(),
      nginx: image.optional(),
      inngest: image.optional(),
      valkey: image.optional(),
    },
    { error: (issue) => (issue.input === undefined ? `app: ${IMAGE_SHAPE}` : undefined) },
  ),
})

export type Answers = z.infer<typeof answersSchema>

const EXAMPLE = `    domain: wa.example.org
    email: ops@example.org
    images:
        app: ghcr.io/you/whatsapp-mcp@sha256:…`

const QUESTIONS = [
  { path: ['domain'], message: 'Public host name of this server (its DNS record must point here)' },
  { path: ['email'], message: 'E-mail address for the certificate authority' },
  { path: ['images', 'app'], message: 'Server image, by digest (the release page lists it)' },
] as const

/**
 * Collects the answers: the file given by the operator, else what an earlier run remembered, else prompts.
 * @param o.file path of `--answers`
 * @param o.remembered path where an earlier run left them
 * @throws {Fail} naming every field that is missing or malformed, with an example.
 */
export async function collectAnswers(o: {
  file?: string | undefined
  remembered: string
  interactive: boolean
}): Promise<Answers> {
  const source = o.file ?? o.remembered
  const text = o.file === undefined ? await readIfThere(o.remembered) : await readGiven(o.file)
  const raw: unknown = text === undefined ? {} : parseYaml(text, source)
  if (o.interactive) await askForMissing(raw)
  const result = answersSchema.safeParse(raw)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => `  ${issue.path.join('.') || source}: ${issue.message}`)
  throw new Fail(`the answers are not complete:\n${problems.join('\n')}`, {
    next: `write a file like this and pass it with --answers FILE, or run on a terminal to be asked:\n${EXAMPLE}`,
  })
}

/** The text to remember for the next run. */
export function formatAnswers(answers: Answers): string {
  return `# Written by the bootstrap; edit by running it with --answers FILE.\n${stringify(answers, { lineWidth: 0 })}`
}

async function readGiven(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new Fail(`the answers file ${path} cannot be read`, {
      next: 'pass an existing file: --answers FILE',
      cause,
    })
  }
}

function parseYaml(text: string, source: string): unknown {
  try {
    return parse(text) ?? {}
  } catch (cause) {
    throw new Fail(`${source} is not valid YAML: ${(cause as Error).message.split('\n')[0]}`, {
      next: `make it look like this:\n${EXAMPLE}`,
      cause,
    })
  }
}

type Tree = { [key: string]: unknown }

async function askForMissing(raw: unknown): Promise<void> {
  if (typeof raw !== 'object' || raw === null) return
  for (const { path, message } of QUESTIONS) {
    const [first, second] = path
    let place = raw as Tree
    if (second !== undefined) {
      place[first] ??= {}
      place = place[first] as Tree
    }
    const key = second ?? first
    if (place[key] !== undefined) continue
    const answer = await prompts({
      type: 'text',
      name: 'value',
      message,
      validate: (value: string) => problemWith(path, value.trim()) ?? true,
    })
    if (typeof answer.value !== 'string')
      throw new Fail('stopped at the prompt', { next: 'run the same command again' })
    place[key] = answer.value.trim()
  }
}

function problemWith(path: readonly string[], value: string): string | undefined {
  const field = path.reduce<z.ZodType>(
    (schema, key) => (schema as z.ZodObject).shape[key] as z.ZodType,
    answersSchema,
  )
  const result = field.safeParse(value)
  return result.success ? undefined : `please give ${result.error.issues[0]?.message}`
}
