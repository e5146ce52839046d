import { openFile } from '../../secrets/file.ts'
import { acceptRecoveryIdentity, RefusedIdentity } from '../../secrets/identity.ts'
import { type OffsiteSettings, offsiteSettings } from '../../secrets/remotes.ts'
import type { Secret } from '../../secrets/secret.ts'
import { askKey } from '../lib/ask-key.ts'
import { tell } from '../lib/cli.ts'
import { messageOf, Refused } from '../lib/fail.ts'
import type { Place } from '../lib/place.ts'
import { isInteractive } from '../lib/prompt.ts'

/** What the recovery key opens. In memory only. */
export interface Opened {
  readonly identity: Secret
  readonly signingKey: Secret
  readonly remote: OffsiteSettings
}

/**
 * Takes the recovery key, from paper or from where the operator says, and opens the secrets file with it.
 * @throws Refused when the key is not the one, or the secrets name no offsite backup
 */
export async function openWithRecoveryKey(
  place: Place,
  readKey: (() => Promise<string>) | undefined,
): Promise<Opened> {
  const identity = await recoveryKey(place, readKey)
  // Not the strict reader: a secret that a newer release wants must not keep a lost host from coming back.
  const { values } = await openFile(place.secretsFile, identity)
  const [signingKey, remote] = [values.get('backup_signing_key'), values.get('offsite_remote')]
  if (signingKey === undefined || remote === undefined) {
    const missing = signingKey === undefined ? 'backup_signing_key' : 'offsite_remote'
    throw new Refused(`${place.secretsFile} holds no ${missing}`, {
      next: 'check out the newest commit of the repository: the secrets file in it says where backups go',
    })
  }
  return { identity, signingKey, remote: settingsIn(remote) }
}

function settingsIn(secret: Secret): OffsiteSettings {
  try {
    return offsiteSettings(secret)
  } catch (error) {
    throw new Refused(messageOf(error), {
      next: 'mend it on a machine that holds a key, commit, and pull here',
    })
  }
}

async function recoveryKey(place: Place, readKey: (() => Promise<string>) | undefined): Promise<Secret> {
  const accept = (typed: string) => acceptRecoveryIdentity(typed, place)
  try {
    if (readKey) return (await accept(await readKey())).identity
    if (isInteractive()) {
      tell(
        'The recovery key is on the paper backup: groups of four, in rows. Spaces and dashes do not matter.',
      )
    }
    return (await askKey('Recovery key', 'Pass the key with --recovery-key-file FILE.', accept)).identity
  } catch (error) {
    if (error instanceof Refused) throw error
    const next =
      error instanceof RefusedIdentity
        ? 'take the paper again, then run the same command'
        : 'run the same command on a terminal, or pass --recovery-key-file FILE'
    throw new Refused(messageOf(error), { next, cause: error })
  }
}
