import { parseDocument } from 'yaml'
import * as z from 'zod'
import { isRecipient } from './age.ts'
import { readText } from './atomic.ts'

/** Somebody who can open the secrets file. */
export interface Recipient {
  /** `host` (installed on the host), `recovery` (paper only), or the name of an operator who edits secrets */
  readonly role: string
  /** age1… */
  readonly recipient: string
}

export const REQUIRED_ROLES = ['host', 'recovery'] as const

const ROLE = /^[a-z][a-z0-9-]{0,30}$/
const PATH_REGEX = '^secrets/secrets\\.enc\\.yaml$'

const SopsYaml = z.object({
  recipients: z.record(z.string(), z.string()),
  creation_rules: z.array(
    z.object({ path_regex: z.string(), key_groups: z.array(z.object({ age: z.array(z.string()) })) }),
  ),
})

/**
 * Reads the roles from `.sops.yaml`.
 * @throws Error when the file is missing or malformed, a required role is absent, or sops would encrypt to others
 *   than the roles say
 */
export async function readRecipients(path: string): Promise<Recipient[]> {
  const text = await readText(path, 'Make it with: npx zx scripts/secrets.ts init')
  try {
    return parseRecipients(text)
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : 'it cannot be read'}`)
  }
}

/**
 * The key on paper. Copies are encrypted to it alone, so that this host cannot read them.
 * @throws Error as {@link readRecipients}
 */
export async function readRecoveryRecipient(path: string): Promise<string> {
  const recovery = (await readRecipients(path)).find(({ role }) => role === 'recovery')
  if (recovery === undefined) throw new Error(`${path} names no recovery key.`)
  return recovery.recipient
}

function parseRecipients(text: string): Recipient[] {
  const document = parseDocument(text, { logLevel: 'silent' })
  const flaw = document.errors[0]
  if (flaw) throw new Error(`it is not valid YAML (line ${flaw.linePos?.[0].line ?? '?'}).`)
  const parsed = SopsYaml.safeParse(document.toJS({ maxAliasCount: 100 }))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Error(`${issue?.path.join('.') || 'it'}: ${issue?.message}. See docs/operations/secrets.md.`)
  }
  const recipients = Object.entries(parsed.data.recipients).map(([role, recipient]) => ({ role, recipient }))
  checkRecipients(recipients)
  const rule = parsed.data.creation_rules[0]
  if (
    rule?.path_regex !== PATH_REGEX ||
    parsed.data.creation_rules.length > 1 ||
    rule.key_groups.length > 1
  ) {
    throw new Error(`it must have one creation rule with path_regex ${PATH_REGEX} and one key group.`)
  }
  const listed = rule.key_groups[0]?.age ?? []
  const differing = recipients.filter(({ recipient }) => !listed.includes(recipient)).map(({ role }) => role)
  if (differing.length > 0 || listed.length !== recipients.length) {
    throw new Error(
      `the creation rule does not list exactly the recipients above it${differing.length > 0 ? ` (missing: ${differing.join(', ')})` : ''}.`,
    )
  }
  return recipients
}

/** @throws Error naming the role whose name or recipient cannot be used, or that is missing */
export function checkRecipients(recipients: readonly Recipient[]): void {
  for (const { role, recipient } of recipients) {
    if (!ROLE.test(role)) throw new Error(`${JSON.stringify(role)} cannot be a role (${ROLE.source}).`)
    if (!isRecipient(recipient)) {
      throw new Error(
        `the recipient of ${role} is not an age recipient (age1 + 58 characters, checksum included).`,
      )
    }
    const same = recipients.find((other) => other.recipient === recipient && other.role !== role)
    if (same)
      throw new Error(`${role} and ${same.role} are the same recipient; each role needs a key of its own.`)
  }
  for (const role of REQUIRED_ROLES) {
    if (!recipients.some((entry) => entry.role === role)) throw new Error(`the role ${role} is missing.`)
  }
}

/** The text of `.sops.yaml`; sops itself reads the creation rule and ignores `recipients`. */
export function formatRecipients(recipients: readonly Recipient[]): string {
  checkRecipients(recipients)
  return `# Who can open secrets/secrets.enc.yaml.
recipients:
${recipients.map(({ role, recipient }) => `    ${role}: &${role} ${recipient}`).join('\n')}
creation_rules:
    - path_regex: ${PATH_REGEX}
      key_groups:
          - age: [${recipients.map(({ role }) => `*${role}`).join(', ')}]
`
}
