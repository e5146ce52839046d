import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseIdentity, recipientOf } from '../../secrets/identity.ts'
import type { Secret } from '../../secrets/secret.ts'
import { type Backup, pageOf, terminalTextOf } from '../age-key/paper.ts'
import { tell } from '../lib/cli.ts'
import { Refused } from '../lib/fail.ts'
import { askHidden, isInteractive } from '../lib/prompt.ts'
import { writeNew } from '../lib/write-new.ts'

/** How a new key gets onto paper. */
export interface Paper {
  /** A page to print is written there; absent: shown on the terminal and typed back. */
  readonly page: string | undefined
}

/** statfs(2) */
const TMPFS_MAGIC = 0x01021994

/** @throws Refused when a new key could not be got onto paper */
export async function refuseWithoutPaper({ page }: Paper): Promise<void> {
  if (page === undefined && !isInteractive()) {
    throw new Refused('there is no terminal to show the new key on', {
      next: 'have a page written to print: --page /dev/shm/host-key.html',
    })
  }
  if (page === undefined) return
  const { type } = await statfs(dirname(resolve(page)))
  if (type !== TMPFS_MAGIC)
    throw new Refused('a key must not touch a disk', { next: 'name a file below /dev/shm with --page' })
}

/**
 * Returns when the key is where it can be printed, or was typed back.
 * @throws Refused when neither is possible
 */
export async function putOnPaper(identity: Secret, paper: Paper): Promise<void> {
  await refuseWithoutPaper(paper)
  const recipient = await recipientOf(identity)
  const backup: Backup = { identity, recipient, role: 'host', date: new Date().toISOString().slice(0, 10) }
  if (paper.page !== undefined) return writeNew(paper.page, pageOf(backup))
  process.stderr.write(terminalTextOf(backup))
  tell('Write it down or print it now. It is shown this once.')
  await askHidden('Type it back from the paper', '', (typed) => matches(typed, identity))
}

function matches(typed: Secret, identity: Secret): string | true {
  const parsed = parseIdentity(typed.reveal())
  if (!parsed.ok) return parsed.problem
  return parsed.identity.reveal() === identity.reveal() || 'This is another key.'
}
