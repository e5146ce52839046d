import { type AcceptedIdentity, RefusedIdentity } from '../../secrets/identity.ts'
import { askHidden, askYesNo } from './prompt.ts'

/**
 * Asks on the terminal for a key as it stands on paper until one is accepted, and offers the correction where the
 * checksum finds the slip.
 * @param accept says whether this key is the one wanted
 * @throws Error without a terminal, or when the person leaves the prompt
 */
export async function askKey(
  question: string,
  otherwise: string,
  accept: (typed: string) => Promise<AcceptedIdentity>,
): Promise<AcceptedIdentity> {
  for (;;) {
    const typed = await askHidden(question, otherwise)
    try {
      return await accept(typed.reveal())
    } catch (error) {
      if (!(error instanceof RefusedIdentity)) throw error
      process.stderr.write(`  ${error.message}\n`)
      if (error.correction === undefined) continue
      const { recipient, identity } = error.correction
      if (await askYesNo(`Take the corrected key for ${recipient}?`, otherwise, { initial: true }))
        return accept(identity.reveal())
    }
  }
}
