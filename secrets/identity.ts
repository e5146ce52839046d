import { recipientOf } from './age.ts'
import { ALPHABET, hasZeroPadding, syndrome } from './bech32.ts'
import { recipientsOfFile } from './file.ts'
import { type Recipient, readRecipients } from './recipients.ts'
import { type KeyShape, type Repair, repair, type TypedSymbol } from './repair.ts'
import { Secret } from './secret.ts'
import { BODY_LENGTH, groupsOf, otherLayout, symbolsOf } from './typed.ts'

export { recipientOf }

const PREFIX = 'AGE-SECRET-KEY-1'

export type ParsedIdentity =
  | { readonly ok: true; readonly identity: Secret }
  /** `problem` is a sentence for people; it never contains what was typed. */
  | { readonly ok: false; readonly problem: string }

/** The key that was meant, found through the recipients it could belong to. */
export interface Correction {
  /** numbers of the printed groups (1-based) that hold the mistake */
  readonly groups: readonly number[]
  readonly identity: Secret
  readonly recipient: string
}

export interface AcceptedIdentity {
  readonly identity: Secret
  readonly recipient: string
}

/** A key that is not taken. The message holds no part of the key; the correction is for a terminal only. */
export class RefusedIdentity extends Error {
  readonly correction: Correction | undefined

  constructor(message: string, correction?: Correction) {
    super(message)
    this.name = 'RefusedIdentity'
    this.correction = correction
  }
}

/**
 * Reads an age identity as people type it or as a key file holds it: comment lines, blanks, dashes and case do not
 * matter, the prefix may be left out. Checks shape and checksum.
 */
export function parseIdentity(typed: string): ParsedIdentity {
  const text = withoutComments(typed)
  const problem = problemWith(text)
  if (problem) return { ok: false, problem }
  return { ok: true, identity: identityOf(symbolsOf(text) as number[]) }
}

function withoutComments(typed: string): string {
  return typed
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
}

function problemWith(text: string): string | undefined {
  if (/^\s*$/.test(text)) return 'No key was given.'
  if (/^\s*age1/i.test(text)) {
    return `This is a recipient, the public half. The key begins with ${PREFIX}.`
  }
  if (/^\s*AGE-(SECRET-KEY-PQ|PLUGIN)-/i.test(text)) {
    return `Post-quantum and plug-in keys are not supported. Use a key that begins with ${PREFIX}.`
  }
  const keys = text.match(/AGE-SECRET-KEY-1/gi)?.length ?? 0
  if (keys > 1) return `These are ${keys} keys. Give the one of this host.`
  const symbols = symbolsOf(text)
  if (symbols.length !== BODY_LENGTH) {
    return `A key has ${BODY_LENGTH} characters after ${PREFIX}; this one has ${symbols.length}.`
  }
  const unreadable = symbols.flatMap((symbol, position) => (symbol === undefined ? [position] : []))
  if (unreadable.length > 0) {
    return `${inGroups(groupsOf(unreadable))} there is a character that no key contains.`
  }
  if (syndrome('age-secret-key-', symbols as number[]) !== 0 || !hasZeroPadding(symbols as number[])) {
    return 'The checksum does not fit: at least one character is wrong.'
  }
  return undefined
}

function identityOf(symbols: readonly number[]): Secret {
  return new Secret(PREFIX + symbols.map((symbol) => ALPHABET[symbol]?.toUpperCase()).join(''))
}

/**
 * The key that was probably meant: up to four wrong characters, unreadable ones typed as `?`, one missing or one too
 * many, or Y and Z swapped by the keyboard layout. Certain, because its recipient is one of `recipients`.
 */
export async function suggestCorrection(
  typed: string,
  recipients: readonly string[],
): Promise<Correction | undefined> {
  const symbols = symbolsOf(withoutComments(typed))
  const swapped = otherLayout(symbols)
  const shape: KeyShape = {
    length: BODY_LENGTH,
    syndrome: (candidate) => syndrome('age-secret-key-', candidate),
    accepts: async (candidate) => recipients.includes(await recipientOf(identityOf(candidate))),
  }
  // The swapped layout breaks many places at once, beyond what the checksum can locate; so it is tried first.
  const isSwapped = swapped.some((symbol, place) => symbol !== symbols[place])
  const swappedBack = (mostWrong: number) => async () =>
    withSwaps(symbols, await repair(swapped, shape, mostWrong))
  const attempts = [
    ...(isSwapped ? [swappedBack(0)] : []),
    () => repair(symbols, shape),
    ...(isSwapped ? [swappedBack(2)] : []),
  ]
  for (const attempt of attempts) {
    const found = await attempt()
    if (!found) continue
    const identity = identityOf(found.symbols)
    return { groups: groupsOf(found.positions), identity, recipient: await recipientOf(identity) }
  }
  return undefined
}

function withSwaps(typed: readonly TypedSymbol[], found: Repair | undefined): Repair | undefined {
  if (!found) return undefined
  const differing = found.symbols.flatMap((symbol, position) =>
    symbol === typed[position] ? [] : [position],
  )
  const positions = [...new Set([...found.positions, ...differing])].sort((a, b) => a - b)
  return { ...found, positions }
}

interface Place {
  readonly sopsYaml: string
  readonly secretsFile: string
}

/** The roles whose keys are typed on a host: its own at the bootstrap, the recovery key when a lost host comes back. */
type TypedRole = 'host' | 'recovery'

/**
 * Accepts the key of role `host`, and only when both `.sops.yaml` and the encrypted file name its recipient.
 * @throws RefusedIdentity saying why the key is not taken; with `.correction` when it was a slip
 * @throws Error when one of the two files cannot be used
 */
export function acceptHostIdentity(typed: string, place: Place): Promise<AcceptedIdentity> {
  return accept(typed, 'host', place)
}

/** The same for the role `recovery`. The key is for memory alone: whoever calls this must not write it anywhere. */
export function acceptRecoveryIdentity(typed: string, place: Place): Promise<AcceptedIdentity> {
  return accept(typed, 'recovery', place)
}

async function accept(typed: string, wanted: TypedRole, place: Place): Promise<AcceptedIdentity> {
  const [known, inFile] = await Promise.all([
    readRecipients(place.sopsYaml),
    recipientsOfFile(place.secretsFile),
  ])
  const parsed = parseIdentity(typed)
  if (!parsed.ok) throw await explain(typed, wanted, parsed.problem, known)
  const recipient = await recipientOf(parsed.identity)
  const refusal = refusalOf(recipient, wanted, known, inFile)
  if (refusal) throw new RefusedIdentity(refusal)
  return { identity: parsed.identity, recipient }
}

async function explain(
  typed: string,
  wanted: TypedRole,
  problem: string,
  known: readonly Recipient[],
): Promise<RefusedIdentity> {
  const correction = await suggestCorrection(
    typed,
    known.map(({ recipient }) => recipient),
  )
  if (!correction) {
    return new RefusedIdentity(`${problem} It cannot be corrected to a key of .sops.yaml: type it again.`)
  }
  const refusal = refusalOf(correction.recipient, wanted, known, [correction.recipient])
  if (refusal) return new RefusedIdentity(refusal)
  return new RefusedIdentity(
    `${problem} The mistake is ${inGroups(correction.groups).toLowerCase()}.`,
    correction,
  )
}

function refusalOf(
  recipient: string,
  wanted: TypedRole,
  known: readonly Recipient[],
  inFile: readonly string[],
): string | undefined {
  const role = known.find((entry) => entry.recipient === recipient)?.role
  if (role === 'recovery' && wanted === 'host') {
    return (
      'This is the recovery key. It stays on paper: on a disk, whoever takes this host would also hold the last way ' +
      'back in. Type the host key. If that one is lost, make a new one: docs/operations/secrets.md, "Host key lost". ' +
      'To bring a lost host back: ./scripts/restore-host.sh.'
    )
  }
  if (role === 'host' && wanted === 'recovery') {
    return 'This is the key of the host. The backup brings that one along, and it opens no backup: type the recovery key.'
  }
  if (role !== undefined && role !== wanted) {
    return `This is the key of the operator "${role}" (${recipient}), not the ${nameOf(wanted)}. Type the ${wanted} key.`
  }
  if (role === wanted && !inFile.includes(recipient)) {
    return (
      `${recipient} is the ${wanted} key in .sops.yaml, but the secrets file is not encrypted to it. Where a working key ` +
      'is at hand: npx zx scripts/secrets.ts recipients apply; then commit and pull.'
    )
  }
  if (role === undefined && inFile.includes(recipient)) {
    return (
      `${recipient} opens the secrets file, but .sops.yaml does not name it. Add it there as a role, or remove it ` +
      'from the file: npx zx scripts/secrets.ts recipients apply.'
    )
  }
  if (role === undefined) {
    const right = known.find((entry) => entry.role === wanted)
    return `This is the key of ${recipient}, which neither file knows. The ${wanted} key belongs to ${right?.recipient}.`
  }
  return undefined
}

function nameOf(role: TypedRole): string {
  return role === 'host' ? "host's" : 'recovery key'
}

function inGroups(groups: readonly number[]): string {
  return groups.length === 1 ? `In group ${groups[0]}` : `In groups ${groups.join(', ')}`
}
