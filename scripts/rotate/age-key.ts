import { WrongKey } from '../../secrets/age.ts'
import { openFile } from '../../secrets/file.ts'
import { command } from '../lib/cli.ts'
import { Fail } from '../lib/fail.ts'
import { readIdentityFile } from '../lib/place.ts'
import type { Host } from './host.ts'
import { admitted, installed, made, oldRemoved, previousOf, wiped } from './host-key.ts'
import { type Paper, refuseWithoutPaper } from './paper.ts'
import { type Proof, type Rotation, rotate } from './steps.ts'
import { decrypted } from './values.ts'

export default command({
  usage: 'age-key [--page FILE] [--json]',
  summary: "the host's own age key: a new one, on paper and installed, and a new data key",
  details: `  --page FILE           write the page to print there, on a memory disk such as /dev/shm; without it,
                        and on a terminal, the key is shown there and typed back from the paper
  --json                print what was done as JSON

At every moment the key installed here opens the file, so a reboot in the middle is harmless. Older
versions in git still open with the old key: was it stolen, replace the secrets themselves as well.`,
  options: { page: { type: 'string' }, json: { type: 'boolean' } },
  async run(o) {
    const paper: Paper = { page: o.page }
    await rotate({ verb: 'age-key', json: o.json === true }, (host) => plan(host, paper))
  },
})

/** A new age key for this host. @throws {Refused} where its paper could neither be shown nor written */
export async function plan(host: Host, paper: Paper): Promise<Rotation> {
  if ((await made(host).inspect()) !== undefined) await refuseWithoutPaper(paper)
  return {
    steps: [
      made(host),
      admitted(host, paper),
      installed(host),
      oldRemoved(host),
      decrypted(host),
      proof(host),
      wiped(host),
    ],
    notes: async () => [
      'Older backups hold the old key: make a new one: npx zx scripts/backup-db.ts',
      ...(paper.page === undefined
        ? []
        : [
            `Print ${paper.page}, remove it (shred -u ${paper.page}), then type the key back: npx zx scripts/age-key.ts check --role host`,
          ]),
      'Destroy the paper with the old key.',
    ],
  }
}

function proof(host: Host): Proof {
  return {
    title: 'the installed key opens the file and the old one does not',
    async prove() {
      const { secretsFile } = host.place
      const { document } = await openFile(secretsFile, await readIdentityFile(host.ageKey))
      const old = await readIdentityFile(previousOf(host))
      const opens = await openFile(secretsFile, old).then(
        () => true,
        (error: unknown) => {
          if (error instanceof WrongKey) return false
          throw error
        },
      )
      if (opens)
        throw new Fail('the old key opens the file still', { next: 'npx zx scripts/secrets.ts recipients' })
      return `${document.age.length} keys open it`
    },
  }
}
