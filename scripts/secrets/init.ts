import { randomBytes } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isRecipient, newIdentity, recipientOf } from '../../secrets/age.ts'
import { writeAtomically } from '../../secrets/atomic.ts'
import { isOptional, isSecretName, problemOfValue, problemsOf } from '../../secrets/check.ts'
import { checkRecipients, formatRecipients, type Recipient } from '../../secrets/recipients.ts'
import { SECRET_NAMES, SECRETS, type SecretName } from '../../secrets/schema.ts'
import { Secret } from '../../secrets/secret.ts'
import { create } from '../../secrets/sops.ts'
import { command, tell, UsageError } from '../lib/cli.ts'
import { placeIn, readIdentityFile } from '../lib/place.ts'
import { askHidden, askYesNo, isInteractive, readStdin } from '../lib/prompt.ts'

export default command({
  usage: 'init [--host age1…] [--recovery age1…] [--stdin]',
  summary: 'makes .sops.yaml and the encrypted file; generates what can be generated, asks for the rest',
  details: `  --host age1…              recipient of the key that the host will hold
  --recovery age1…          recipient of the key that stays on paper
  --host-key-file FILE      the same, taken from the key in FILE
  --recovery-key-file FILE
  --stdin                   read NAME=value lines from standard input instead of asking
  --root DIR                repository to write to (default: this one)

Without recipients, on a terminal, new keys are made and shown once: print them at that moment.`,
  options: {
    host: { type: 'string' },
    recovery: { type: 'string' },
    'host-key-file': { type: 'string' },
    'recovery-key-file': { type: 'string' },
    stdin: { type: 'boolean' },
    root: { type: 'string' },
  },
  async run(o) {
    const place = placeIn(o.root)
    if (await exists(place.secretsFile)) {
      throw new Error(`${place.secretsFile} is there already. Change it with set, or move it away first.`)
    }
    const given = o.stdin ? parseLines(await readStdin()) : new Map<SecretName, Secret>()
    const recipients = [
      { role: 'host', recipient: await recipientFor('host', o.host, o['host-key-file']) },
      { role: 'recovery', recipient: await recipientFor('recovery', o.recovery, o['recovery-key-file']) },
    ] satisfies Recipient[]
    checkRecipients(recipients)
    const values = await complete(given, o.stdin === true)
    const text = await create(
      values,
      recipients.map(({ recipient }) => recipient),
    )
    await mkdir(dirname(place.secretsFile), { recursive: true })
    // The secrets file last: it is what makes init refuse to run again.
    await writeAtomically(place.sopsYaml, formatRecipients(recipients), 0o644)
    await writeAtomically(place.secretsFile, text, 0o644)
    tell(`Wrote ${place.sopsYaml} and ${place.secretsFile} (${values.size} secrets). Commit both.`)
  },
})

async function recipientFor(
  role: string,
  recipient: string | undefined,
  keyFile: string | undefined,
): Promise<string> {
  if (recipient && keyFile) throw new UsageError(`Give --${role} or --${role}-key-file, not both.`)
  if (keyFile) return recipientOf(await readIdentityFile(keyFile))
  if (recipient) {
    if (isRecipient(recipient)) return recipient
    throw new UsageError(`--${role} must be an age recipient: age1 + 58 characters. Check how it was copied.`)
  }
  if (!isInteractive()) {
    throw new UsageError(`--${role} is missing. Make a key with: npx zx scripts/age-key.ts new`)
  }
  if (!(await askYesNo(`Make a new ${role} key? It is shown once.`, ''))) {
    throw new UsageError(`Then name its recipient with --${role} age1…`)
  }
  const identity = await newIdentity()
  const made = await recipientOf(identity)
  tell(`\n  ${role} key  ${identity.reveal()}\n  recipient  ${made}\n`)
  return made
}

/** Fills in what is not given: generated where the schema can, asked for on a terminal otherwise. */
async function complete(
  given: ReadonlyMap<SecretName, Secret>,
  fromStdin: boolean,
): Promise<Map<SecretName, Secret>> {
  const values = new Map<SecretName, Secret>()
  const missing: SecretName[] = []
  for (const name of SECRET_NAMES) {
    const { source, title } = SECRETS[name]
    const value = given.get(name)
    if (value) values.set(name, value)
    else if (isOptional(name)) continue
    else if (source !== 'ask') values.set(name, generate(source.generate))
    else if (fromStdin || !isInteractive()) missing.push(name)
    else {
      const validate = (typed: Secret) => problemOfValue(name, typed) ?? true
      values.set(name, await askHidden(title, '', validate))
    }
  }
  // Those of further numbers and apps.
  for (const [name, value] of given) values.set(name, value)
  if (missing.length > 0) {
    throw new UsageError(
      `Missing: ${missing.join(', ')}. Give them as NAME=value lines on standard input with --stdin.`,
    )
  }
  const problems = problemsOf(values)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return values
}

/** A new value of so many random bytes, in hexadecimal. */
export function generate(bytes: number): Secret {
  return new Secret(randomBytes(bytes).toString('hex'))
}

function parseLines(text: string): Map<SecretName, Secret> {
  const values = new Map<SecretName, Secret>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const equals = line.indexOf('=')
    const name = line.slice(0, Math.max(equals, 0)).trim()
    // The line may be a bare secret, so neither it nor an unknown name is repeated.
    if (!isSecretName(name))
      throw new UsageError(`Line ${index + 1} of the input is not NAME=value with a known name.`)
    if (values.has(name)) throw new UsageError(`Line ${index + 1} of the input names ${name} again.`)
    values.set(name, new Secret(line.slice(equals + 1)))
  }
  return values
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
