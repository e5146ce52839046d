import { rm } from 'node:fs/promises'
import * as z from 'zod'
import { $ } from 'zx'
import { readIfThere, writeAtomically } from '../../secrets/atomic.ts'

/** Of several values sshd takes the first, so the name sorts before those of cloud images. */
export const DROP_IN = '/etc/ssh/sshd_config.d/00-whatsapp-mcp.conf'
export const ROLLBACK_TIMER = 'whatsapp-mcp-ssh-rollback.timer'
export const MINUTES = 10

const STATE = '/var/lib/whatsapp-mcp/ssh-pending.json'

const pendingSchema = z.object({ at: z.iso.datetime(), before: z.string().nullable() })

/** A change of sshd that nobody has confirmed: since when, and what {@link DROP_IN} held before, `null` for no file. */
export type Pending = z.infer<typeof pendingSchema>

/** @throws Error when the file is not ours */
export async function readPending(): Promise<Pending | undefined> {
  const text = await readIfThere(STATE)
  return text === undefined ? undefined : pendingSchema.parse(JSON.parse(text))
}

/** What a rollback goes back to: of a change upon a change, to what was before the first, and be it no file. */
export function lastConfirmed(pending: Pending | undefined, current: string | undefined): string | null {
  return pending === undefined ? (current ?? null) : pending.before
}

/** From now on the clock runs. */
export async function arm(current: string | undefined): Promise<void> {
  const before = lastConfirmed(await readPending(), current)
  const pending: Pending = { at: new Date().toISOString(), before }
  await writeAtomically(STATE, `${JSON.stringify(pending)}\n`, 0o600)
  await systemctl('enable', ROLLBACK_TIMER)
  // A timer that runs already begins anew.
  await systemctl('restart', ROLLBACK_TIMER)
}

/** The clock stops; what is there stays. */
export async function disarm(): Promise<void> {
  await systemctl('disable', '--now', ROLLBACK_TIMER)
  await rm(STATE, { force: true })
}

/** @throws when systemctl fails, or does not answer within half a minute */
export async function systemctl(...words: readonly string[]): Promise<void> {
  await $({ quiet: true, timeout: '30s', input: '' })`systemctl ${words}`
}
