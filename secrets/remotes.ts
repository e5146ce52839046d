/** Secrets that are settings in JSON: where backups and audit segments go, with the credential that may write there. */
import * as z from 'zod'
import type { Secret } from './secret.ts'

/** Only these span lines, written as \n inside the JSON; in any other a line end would begin a further option. */
const OF_LINES = new Set(['key_pem', 'known_hosts'])

const knownHosts = z
  .string('the lines that ssh-keyscan prints')
  .regex(/(ssh-|ecdsa-)\S+ \S/, 'the lines that ssh-keyscan prints, joined by \\n')
const privateKey = z
  .string('an SSH private key')
  .startsWith('-----BEGIN ', 'an SSH private key from its BEGIN line on, lines joined by \\n')

const Offsite = z
  .object({
    type: z.string('a type of rclone, such as s3').regex(/^[a-z0-9]{1,32}$/, 'a type of rclone, such as s3'),
    path: z
      .string('the bucket with a prefix, or a directory')
      .min(1, 'the bucket with a prefix, or a directory'),
    key_pem: privateKey.optional(),
    known_hosts: knownHosts.optional(),
  })
  .catchall(z.string('text in quotes, as every option of rclone'))
  .superRefine((settings, context) => {
    const refuse = (name: string, message: string) =>
      context.addIssue({ code: 'custom', path: [name], message })
    for (const [name, value] of Object.entries(settings)) {
      if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) refuse(name, 'no option of rclone has such a name')
      else if (!OF_LINES.has(name) && /[\r\n]/.test(String(value))) refuse(name, 'text of one line')
    }
    if (settings.type === 'sftp' && settings.known_hosts === undefined)
      refuse('known_hosts', 'the lines that ssh-keyscan prints; without them any machine would be trusted')
  })

const Audit = z.strictObject({
  host: z.string('a host name').regex(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$/, 'a host name or an address'),
  port: z.int('a port number').min(1, 'a port number').max(65535, 'a port number').default(22),
  user: z.string('a user name').regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'a user name'),
  key: privateKey,
  known_hosts: knownHosts,
})

/** `offsite_remote`: `type`, `path`, and further options of rclone under their own names. */
export type OffsiteSettings = z.infer<typeof Offsite>
/** `audit_remote`: the account whose only command is to append. */
export type AuditSettings = z.infer<typeof Audit>

/**
 * Where backups go.
 * @throws Error naming each wrong field and what it should be; no value is part of it
 */
export function offsiteSettings(secret: Secret): OffsiteSettings {
  return settings('offsite_remote', Offsite, secret)
}

/**
 * Where audit segments go.
 * @throws Error naming each wrong field and what it should be; no value is part of it
 */
export function auditSettings(secret: Secret): AuditSettings {
  return settings('audit_remote', Audit, secret)
}

/** What is wrong with a value of `offsite_remote`, or `undefined`. */
export const problemOfOffsite = (text: string): string | undefined => parse(Offsite, text).problem

/** What is wrong with a value of `audit_remote`, or `undefined`. */
export const problemOfAudit = (text: string): string | undefined => parse(Audit, text).problem

function settings<T>(name: string, shape: z.ZodType<T>, secret: Secret): T {
  const { data, problem } = parse(shape, secret.reveal())
  if (data === undefined) throw new Error(`${name} ${problem}. Set it: npx zx scripts/secrets.ts set ${name}`)
  return data
}

function parse<T>(shape: z.ZodType<T>, text: string): { data?: T; problem?: string } {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    // The parser's own message repeats a piece of the text.
    return { problem: 'must be JSON in one line, such as {"type":"s3","path":"bucket/prefix"}' }
  }
  const result = shape.safeParse(raw)
  if (result.success) return { data: result.data }
  const wrong = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`)
  return { problem: `must be JSON with other fields (${wrong.join('; ')})` }
}
