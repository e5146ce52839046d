import { offsiteSettings } from '../../secrets/remotes.ts'
import { requiredHostSecret } from '../lib/host-secrets.ts'
import { byName, mediaPlace, splitAttempt } from '../offsite/names.ts'
import { openRemote } from '../offsite/remote.ts'
import { type RemoteSets, remoteSets } from '../offsite/sets.ts'

/** What the far side holds. This host cannot open any of it. */
export interface Offsite extends RemoteSets {
  /** sealed */
  readonly media: { readonly files: number; readonly bytes: number }
}

/**
 * Asks the far side what it holds.
 * @throws Error when the secret `offsite_remote` is not set, or the far side does not answer
 */
export async function askOffsite(): Promise<Offsite> {
  const key = await requiredHostSecret('backup_signing_key')
  await using remote = await openRemote(offsiteSettings(await requiredHostSecret('offsite_remote')))
  const sets = await remoteSets(remote, key)
  const files = [...byName(await remote.list('media'))].filter(
    ([name]) => mediaPlace(splitAttempt(name).name) !== undefined,
  )
  const bytes = files.reduce((sum, [, [latest]]) => sum + (latest?.bytes ?? 0), 0)
  return { ...sets, media: { files: files.length, bytes } }
}
