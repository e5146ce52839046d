import { newIdentity, recipientOf } from '../../secrets/age.ts'
import { command, printJson, tell } from '../lib/cli.ts'
import { writeNew } from '../lib/write-new.ts'

export default command({
  usage: 'new [--out FILE] [--json]',
  summary: 'makes a key; shows it once, or writes it to a file',
  details: `  --out FILE            write the key there (mode 0600, never over a file) instead of showing it
  --json                print {recipient} and, without --out, {identity, recipient}

The key goes to standard output, everything else to standard error.`,
  options: { out: { type: 'string' }, json: { type: 'boolean' } },
  async run(o) {
    const identity = await newIdentity()
    const recipient = await recipientOf(identity)
    if (o.out) {
      await writeNew(o.out, `# recipient: ${recipient}\n${identity.reveal()}\n`)
      if (o.json) printJson({ recipient })
      else process.stdout.write(`${recipient}\n`)
      tell(
        `The key is in ${o.out}. Print it: npx zx scripts/age-key.ts print --key-file ${o.out} --out PAGE.html`,
      )
      return
    }
    if (o.json) return void printJson({ identity: identity.reveal(), recipient })
    process.stdout.write(`${identity.reveal()}\n`)
    tell(
      `recipient  ${recipient}\nThe key is shown this once and kept nowhere. Whoever has it reads every secret.`,
    )
  },
})
