import { isRecipient, recipientOf } from '../../secrets/age.ts'
import { parseIdentity, suggestCorrection } from '../../secrets/identity.ts'
import { readRecipients } from '../../secrets/recipients.ts'
import { command, tell, UsageError } from '../lib/cli.ts'
import { placeIn } from '../lib/place.ts'
import { typedKey } from './key.ts'

export default command({
  usage: 'check [--recipient age1… | --role ROLE]',
  summary: 'the drill: type the key from the paper and see whether it is right',
  details: `  --recipient age1…     the recipient printed on the paper
  --role ROLE           or its role in .sops.yaml (default: any role there)
  --root DIR            repository with .sops.yaml (default: this one)

Exit code 0 only when the key was typed without a mistake. Nothing is stored.`,
  options: { recipient: { type: 'string' }, role: { type: 'string' }, root: { type: 'string' } },
  async run(o) {
    const expected = await expectedRecipients(o)
    const typed = await typedKey('Type the key from the paper')
    const parsed = parseIdentity(typed)
    if (parsed.ok) {
      const recipient = await recipientOf(parsed.identity)
      const match = expected.find((entry) => entry.recipient === recipient)
      if (match) {
        tell(`Right: this is the key of ${match.role} (${recipient}).`)
        return 0
      }
      tell(`This is a sound key, but another one: its recipient is ${recipient}.`)
      return 1
    }
    tell(parsed.problem)
    const found = await suggestCorrection(
      typed,
      expected.map((entry) => entry.recipient),
    )
    tell(
      found
        ? `Look again at group${found.groups.length > 1 ? 's' : ''} ${found.groups.join(', ')}.`
        : 'It is too far from the key expected to say where. Type it again.',
    )
    return 1
  },
})

async function expectedRecipients(o: {
  readonly recipient?: string | undefined
  readonly role?: string | undefined
  readonly root?: string | undefined
}): Promise<{ role: string; recipient: string }[]> {
  if (o.recipient && o.role) throw new UsageError('Give --recipient or --role, not both.')
  if (o.recipient) {
    if (!isRecipient(o.recipient)) throw new UsageError('--recipient must be age1 + 58 characters.')
    return [{ role: 'the paper', recipient: o.recipient }]
  }
  const known = await readRecipients(placeIn(o.root).sopsYaml)
  const chosen = known.filter((entry) => !o.role || entry.role === o.role)
  if (chosen.length === 0)
    throw new UsageError(`.sops.yaml has no such role: ${known.map(({ role }) => role).join(', ')}.`)
  return chosen
}
