/** The age key that opens the secrets file: asked for, checked, and installed for root alone. */

import { askKey } from '../scripts/lib/ask-key.ts'
import { isMain } from '../scripts/lib/entry.ts'
import { Fail, messageOf } from '../scripts/lib/fail.ts'
import { writeAtomically } from '../secrets/atomic.ts'
import { readSecrets, recipientsOfFile } from '../secrets/file.ts'
import { type AcceptedIdentity, acceptHostIdentity, parseIdentity, recipientOf } from '../secrets/identity.ts'
import { readRecipients } from '../secrets/recipients.ts'
import type { Context } from './lib/context.ts'
import { ownershipDiffers, readIfThere } from './lib/files.ts'
import { sandboxKeys } from './lib/local.ts'
import { main } from './lib/main.ts'
import { say } from './lib/report.ts'
import type { Resource, Step } from './lib/resource.ts'

const MODE = 0o400

const step: Step = {
  id: '10-age-key',
  title: 'Age key',
  async ask(context) {
    const installed = await inspectKey(context)
    if (installed === undefined && context.readAgeKey === undefined) return
    context.identity = (await obtainKey(context)).identity
    context.log.redact(context.identity)
    await readSecrets(context.paths.secretsFile, context.identity).catch((error: unknown) => {
      throw new Fail(messageOf(error), {
        next: 'restore the file: git checkout -- secrets/secrets.enc.yaml',
        cause: error,
      })
    })
  },
  host: (context) => [ageKey(context)],
  local: (context) => [sandboxKeys(context)],
}

export default step
if (isMain(import.meta.url)) await main([step])

function ageKey(context: Context): Resource {
  return {
    title: 'age key',
    inspect: () => inspectKey(context),
    async apply() {
      if (context.identity === undefined) {
        throw new Fail('there is no age key to install', {
          next: 'run the bootstrap from a terminal, or pass --age-key-file FILE',
        })
      }
      await writeAtomically(context.paths.ageKey, `${context.identity.reveal()}\n`, MODE)
    },
  }
}

async function inspectKey({ paths }: Context): Promise<string | undefined> {
  const text = await readIfThere(paths.ageKey)
  if (text === undefined) return `${paths.ageKey} is missing`
  const parsed = parseIdentity(text)
  if (!parsed.ok) return `${paths.ageKey} does not hold an age key`
  const recipient = await recipientOf(parsed.identity)
  const host = (await readRecipients(paths.sopsYaml)).find(({ role }) => role === 'host')
  if (recipient !== host?.recipient) return `${paths.ageKey} is not the host key of .sops.yaml`
  if (!(await recipientsOfFile(paths.secretsFile)).includes(recipient))
    return 'the secrets file is not encrypted to this host'
  return ownershipDiffers(paths.ageKey, { mode: MODE })
}

async function obtainKey(context: Context): Promise<AcceptedIdentity> {
  const place = { sopsYaml: context.paths.sopsYaml, secretsFile: context.paths.secretsFile }
  if (context.readAgeKey !== undefined) {
    return acceptHostIdentity(await context.readAgeKey(), place).catch((error: unknown) => {
      throw new Fail(messageOf(error), { next: 'correct the key and run the same command again' })
    })
  }
  if (!context.interactive) {
    throw new Fail('this host has no age key yet', {
      next: 'run the same command on a terminal, or pass --age-key-file FILE',
    })
  }
  say('\nThe age key is on the paper backup: groups of four, in rows. Spaces and dashes do not matter.')
  return askKey('Age key of this host', 'Pass it with --age-key-file FILE.', (typed) =>
    acceptHostIdentity(typed, place),
  ).catch((error: unknown) => {
    throw new Fail(messageOf(error), { next: 'run the same command again', cause: error })
  })
}
