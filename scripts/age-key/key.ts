import { readRecipients } from '../../secrets/recipients.ts'
import type { Secret } from '../../secrets/secret.ts'
import { identityIn, type Place, readIdentityFile } from '../lib/place.ts'
import { askHidden, isInteractive, readStdin } from '../lib/prompt.ts'

/** The text of a key from a file, a hidden prompt or standard input, as it was typed. */
export async function typedKey(message: string): Promise<string> {
  if (isInteractive()) return (await askHidden(message, '')).reveal()
  return readStdin()
}

/**
 * A key that can be used, from a file or as {@link typedKey} gets it.
 * @throws Error naming what is wrong with it, never any part of it
 */
export async function readKey(file: string | undefined): Promise<Secret> {
  return file ? readIdentityFile(file) : identityIn(await typedKey('Age key'), 'The key')
}

/** The role `.sops.yaml` gives to a recipient, if there is such a file and it names it. */
export async function roleOf(recipient: string, place: Place): Promise<string | undefined> {
  const known = await readRecipients(place.sopsYaml).catch(() => [])
  return known.find((entry) => entry.recipient === recipient)?.role
}
