import { isRecipient } from '../../secrets/age.ts'
import { writeAtomically } from '../../secrets/atomic.ts'
import { recipientsOfFile, replaceFile } from '../../secrets/file.ts'
import { formatRecipients, REQUIRED_ROLES, type Recipient, readRecipients } from '../../secrets/recipients.ts'
import { rewrap } from '../../secrets/sops.ts'
import { command, printJson, tell, UsageError } from '../lib/cli.ts'
import { openPlace, PLACE_HELP, PLACE_OPTIONS, type Place, placeIn } from '../lib/place.ts'

export default command({
  usage: 'recipients [add ROLE age1… | remove ROLE | apply]',
  summary: 'shows or changes who can open the file',
  details: `  add ROLE age1…        let somebody open it; the roles host and recovery exist once each
  remove ROLE           no longer encrypt to an operator
  apply                 encrypt to exactly the recipients of .sops.yaml
  --replace             with add: give an existing role another key
  --json                print an array of {role, recipient, inFile}
${PLACE_HELP}`,
  positionals: ['ACTION?', 'ROLE?', 'RECIPIENT?'],
  options: { ...PLACE_OPTIONS, json: { type: 'boolean' }, replace: { type: 'boolean' } },
  async run(o, action, role, recipient) {
    const place = placeIn(o.root)
    const before = await readRecipients(place.sopsYaml)
    if (action === undefined) return show(place, before, o.json === true)
    const after = wanted(before, { action, role, recipient, replace: o.replace === true })
    const text = formatRecipients(after)
    const { opened } = await openPlace(o)
    // Two files cannot change at once; whichever was written, the same command again completes it.
    if (action !== 'apply') await writeAtomically(place.sopsYaml, text, 0o644)
    const changed = await replaceFile(opened, () =>
      rewrap(
        opened,
        after.map((entry) => entry.recipient),
      ),
    )
    tell(
      `The file ${changed ? 'now opens' : 'opened already'} for ${after.map((entry) => entry.role).join(', ')}.`,
    )
    const gone = opened.document.age.some((key) => !after.some((entry) => entry.recipient === key.recipient))
    if (gone) {
      tell(
        'Whoever was removed still opens older versions in git: run rotate, then replace the secrets themselves.',
      )
    }
  },
})

function wanted(
  before: readonly Recipient[],
  o: { action: string; role: string | undefined; recipient: string | undefined; replace: boolean },
): Recipient[] {
  const { action, role, recipient } = o
  const known = before.find((entry) => entry.role === role)
  if (action === 'apply' && !role) return [...before]
  if (action === 'add' && role && recipient) {
    if (!isRecipient(recipient))
      throw new UsageError('The recipient must be age1 + 58 characters, checksum included.')
    if (!known) return [...before, { role, recipient }]
    if (known.recipient !== recipient && !o.replace) {
      throw new Error(`${role} is ${known.recipient}. To give it another key, add --replace.`)
    }
    return before.map((entry) => (entry.role === role ? { role, recipient } : entry))
  }
  if (action === 'remove' && role && !recipient) {
    if (REQUIRED_ROLES.some((required) => required === role)) {
      throw new Error(
        `${role} cannot be removed. To give it another key: recipients add ${role} age1… --replace`,
      )
    }
    if (!known) throw new Error(`.sops.yaml names no ${role}. If only the file does: recipients apply.`)
    return before.filter((entry) => entry !== known)
  }
  throw new UsageError(
    'Say: recipients, recipients add ROLE age1…, recipients remove ROLE, or recipients apply.',
  )
}

async function show(place: Place, known: readonly Recipient[], json: boolean): Promise<number> {
  const inFile = await recipientsOfFile(place.secretsFile)
  const stray = inFile.filter((recipient) => !known.some((entry) => entry.recipient === recipient))
  const rows = [
    ...known.map((entry) => ({ ...entry, inFile: inFile.includes(entry.recipient) })),
    ...stray.map((recipient) => ({ role: null, recipient, inFile: true })),
  ]
  if (json) printJson(rows)
  else {
    for (const row of rows) {
      const remark = row.role === null ? '  (not in .sops.yaml)' : row.inFile ? '' : '  (not in the file)'
      process.stdout.write(`${(row.role ?? '?').padEnd(12)}  ${row.recipient}${remark}\n`)
    }
  }
  return rows.every((row) => row.role !== null && row.inFile) ? 0 : 1
}
