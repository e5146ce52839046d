import { access, link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { newIdentity, recipientOf } from '../../secrets/age.ts'
import { writeAtomically } from '../../secrets/atomic.ts'
import { openFile, recipientsOfFile, replaceFile } from '../../secrets/file.ts'
import { formatRecipients, type Recipient, readRecipients } from '../../secrets/recipients.ts'
import { rewrap, rotate } from '../../secrets/sops.ts'
import { readIdentityFile } from '../lib/place.ts'
import type { Host } from './host.ts'
import { type Paper, putOnPaper } from './paper.ts'
import type { Change } from './steps.ts'

/** In `.sops.yaml` while both keys open the file. */
const BEFORE = 'host-previous'
const MODE = 0o400

/** Where the new key waits, with the same protection as the installed one. */
const nextOf = ({ ageKey }: Host) => `${ageKey}.next`
/** Where the old key stays until it is proved to open nothing. */
export const previousOf = ({ ageKey }: Host) => `${ageKey}.previous`

/** The key the host is to have: beside the installed one, or installed already. */
async function wanted(host: Host): Promise<string> {
  return recipientOf(await readIdentityFile((await exists(nextOf(host))) ? nextOf(host) : host.ageKey))
}

/** The new key, beside the one that is installed. */
export function made(host: Host): Change {
  return {
    title: 'new key made',
    async inspect() {
      const roles = await readRecipients(host.place.sopsYaml)
      const underWay = roles.some(({ role }) => role === BEFORE)
      const there = await Promise.all([nextOf(host), previousOf(host)].map(exists))
      return underWay || there.includes(true) ? undefined : 'the host has the key to be replaced'
    },
    apply: async () => writeAtomically(nextOf(host), `${(await newIdentity()).reveal()}\n`, MODE),
  }
}

/** On paper first: a key that only the host has would be lost with it. */
export function admitted(host: Host, paper: Paper): Change {
  const { sopsYaml, secretsFile } = host.place
  return {
    title: 'new key on paper, and the secrets file opens with it too',
    async inspect() {
      const [recipient, roles, inFile] = [
        await wanted(host),
        await readRecipients(sopsYaml),
        await recipientsOfFile(secretsFile),
      ]
      if (hostOf(roles) !== recipient) return 'it does not open the file yet'
      return inFile.includes(recipient) ? undefined : 'the file is not encrypted to it yet'
    },
    async apply() {
      const fresh = await readIdentityFile(nextOf(host))
      const recipient = await recipientOf(fresh)
      const roles = await readRecipients(sopsYaml)
      const old = hostOf(roles)
      if (old !== recipient) {
        await putOnPaper(fresh, paper)
        const others = roles.filter(({ role }) => role !== 'host' && role !== BEFORE)
        const both = [{ role: 'host', recipient }, { role: BEFORE, recipient: old }, ...others]
        await writeAtomically(sopsYaml, formatRecipients(both), 0o644)
      }
      const opened = await openFile(secretsFile, await readIdentityFile(host.ageKey))
      await replaceFile(opened, async () => rewrap(opened, recipientsIn(await readRecipients(sopsYaml))))
    },
  }
}

/** The new key in the place of the old one, by one rename: at every moment there is one that opens the file. */
export function installed(host: Host): Change {
  return {
    title: 'new key installed',
    inspect: async () => ((await exists(nextOf(host))) ? 'the old one is' : undefined),
    async apply() {
      await openFile(host.place.secretsFile, await readIdentityFile(nextOf(host)))
      await link(host.ageKey, previousOf(host)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
      await rename(nextOf(host), host.ageKey)
      const directory = await open(dirname(host.ageKey))
      await directory.sync().finally(() => directory.close())
    },
  }
}

/** The file opens with the old key no longer, nor with a data key it ever had. */
export function oldRemoved(host: Host): Change {
  const { sopsYaml, secretsFile } = host.place
  return {
    title: 'old key removed from the file, under a new data key',
    async inspect() {
      const roles = await readRecipients(sopsYaml)
      const surplus = (await recipientsOfFile(secretsFile)).filter(
        (one) => !recipientsIn(roles).includes(one),
      )
      const listed = roles.some(({ role }) => role === BEFORE)
      return listed || surplus.length > 0 ? 'it opens the file still' : undefined
    },
    async apply() {
      const kept = (await readRecipients(sopsYaml)).filter(({ role }) => role !== BEFORE)
      await writeAtomically(sopsYaml, formatRecipients(kept), 0o644)
      const opened = await openFile(secretsFile, await readIdentityFile(host.ageKey))
      await replaceFile(opened, () => rotate(opened, recipientsIn(kept)))
    },
  }
}

/** The old key leaves the disk, once it is proved to open nothing. */
export function wiped(host: Host): Change {
  return {
    title: 'old key removed from this host',
    inspect: async () => ((await exists(previousOf(host))) ? 'it is there still' : undefined),
    apply: () => rm(previousOf(host)),
  }
}

const recipientsIn = (roles: readonly Recipient[]) => roles.map(({ recipient }) => recipient)

function hostOf(roles: readonly Recipient[]): string {
  return roles.find(({ role }) => role === 'host')?.recipient ?? ''
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
