import { recipientOf } from '../../secrets/age.ts'
import { command, tell, UsageError } from '../lib/cli.ts'
import { placeIn } from '../lib/place.ts'
import { isInteractive } from '../lib/prompt.ts'
import { writeNew } from '../lib/write-new.ts'
import { readKey, roleOf } from './key.ts'
import { type Backup, pageOf, terminalTextOf } from './paper.ts'

export default command({
  usage: 'print [--out PAGE.html] [--key-file FILE] [--role ROLE]',
  summary: 'makes the paper backup: a page to print, or the terminal',
  details: `  --out PAGE.html       write a page to print (mode 0600, never over a file); remove it afterwards
  --key-file FILE       the key; otherwise a hidden prompt or standard input
  --role ROLE           host, recovery or an operator's name (default: from .sops.yaml)
  --root DIR            repository whose .sops.yaml names the role (default: this one)

The page loads nothing from elsewhere. Put it on a memory disk (/dev/shm) and print without a queue
that keeps copies. On a terminal, the key is shown there as well.`,
  options: {
    out: { type: 'string' },
    'key-file': { type: 'string' },
    role: { type: 'string' },
    root: { type: 'string' },
  },
  async run(o) {
    if (!o.out && !process.stdout.isTTY)
      throw new UsageError('--out is missing, and there is no terminal to show it on.')
    const identity = await readKey(o['key-file'])
    const recipient = await recipientOf(identity)
    const role = o.role ?? (await roleOf(recipient, placeIn(o.root))) ?? 'not assigned'
    const backup: Backup = { identity, recipient, role, date: new Date().toISOString().slice(0, 10) }
    if (o.out) {
      await writeNew(o.out, pageOf(backup))
      tell(`Wrote ${o.out}. Print it, then remove it: shred -u ${o.out}`)
    }
    if (process.stdout.isTTY && (!o.out || isInteractive())) process.stdout.write(terminalTextOf(backup))
    tell(`Then rehearse: npx zx scripts/age-key.ts check --recipient ${recipient}`)
  },
})
