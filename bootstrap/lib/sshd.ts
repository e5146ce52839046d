/** What sshd lets in. A change that closes a way in holds only if somebody confirms it from a session begun after it. */
import { rm } from 'node:fs/promises'
import { Fail } from '../../scripts/lib/fail.ts'
import { arm, DROP_IN, disarm, MINUTES, readPending } from '../../scripts/ssh/pending.ts'
import { restartSshd } from '../../scripts/ssh/restart.ts'
import { writeAtomically } from '../../secrets/atomic.ts'
import type { Context } from './context.ts'
import { ownershipDiffers, readIfThere } from './files.ts'
import type { Resource } from './resource.ts'
import { closes, dropIn, unheeded } from './ssh-drop-in.ts'
import { hasSshd, holders, settings, settingsOfOthers } from './sshd-settings.ts'

const MODE = 0o644

/**
 * Our drop-in for sshd, by the answer `ssh`: `leave` none, `keys` or `strict` one. A change undoes itself unless it is confirmed.
 */
export function sshd(context: Context): Resource {
  const { shell } = context
  return {
    title: 'sshd',
    async inspect() {
      if (!(await hasSshd(shell))) return undefined
      const [wanted, found] = await Promise.all([wantedText(context), readIfThere(DROP_IN)])
      if (found === undefined && wanted !== undefined) return `${DROP_IN} is missing`
      if (wanted !== found) return `${DROP_IN} has other content`
      if (wanted === undefined) return undefined
      const ignored = unheeded(wanted, await settings(shell))
      if (ignored !== undefined) return `sshd does not follow ${DROP_IN}: ${ignored}`
      return ownershipDiffers(DROP_IN, { mode: MODE })
    },
    async apply() {
      const [wanted, found] = await Promise.all([wantedText(context), readIfThere(DROP_IN)])
      const before = await settings(shell)
      // First of all, so that whatever ends this run leaves the clock running.
      await arm(found)
      await put(wanted)
      const test = await shell({ allowFailure: true })`sshd -t`
      if (test.exitCode !== 0) {
        await put(found)
        throw new Fail('sshd does not take its configuration', { next: 'sshd -t', output: test.stderr })
      }
      // No reload: one that was started by its socket cannot listen again.
      await restartSshd()
      const firstChange = (await readPending())?.before === (found ?? null)
      if (firstChange && !closes(before, await settings(shell))) await disarm()
    },
  }
}

/** What the operator has to know or to do. */
export async function sshNotice(context: Context): Promise<string | undefined> {
  const { shell, answers } = context
  if (!(await hasSshd(shell))) return 'ssh: there is no sshd on this host'
  if ((await readPending()) !== undefined)
    return `ssh: within ${MINUTES} minutes, log in anew and run there: npx zx scripts/ssh.ts confirm\n    Otherwise sshd goes back to what it was.`
  if (answers.ssh === 'leave') return undefined
  const found = await settings(shell)
  if (answers.ssh === 'strict' && found.permitrootlogin !== 'no')
    return 'ssh: root is not kept out yet, since nobody else who may become root has a key here: adduser NAME sudo, ssh-copy-id, then run this again'
  if (found.passwordauthentication === 'no') return undefined
  return 'ssh: passwords are still taken, since nobody who may become root has a key here: ssh-copy-id, then run this again'
}

/** The drop-in, or `undefined` where sshd is left as it is. */
async function wantedText({ answers, shell }: Context): Promise<string | undefined> {
  const policy = answers.ssh ?? 'keys'
  if (policy === 'leave') return undefined
  const others = await settingsOfOthers(shell)
  return dropIn(policy, others, await holders(shell, others))
}

async function put(text: string | undefined): Promise<void> {
  if (text === undefined) await rm(DROP_IN, { force: true })
  else await writeAtomically(DROP_IN, text, MODE)
}
