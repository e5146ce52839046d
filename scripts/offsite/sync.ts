import { access, mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Secret } from '../../secrets/secret.ts'
import { dateOf, listSets } from '../backup/layout.ts'
import { Fail } from '../lib/fail.ts'
import { type MissingSet, missingMedia, missingSets } from './missing.ts'
import { byName } from './names.ts'
import type { Remote } from './remote.ts'
import { Damaged, type SendOptions, sendMedia, sendSet } from './send.ts'

export interface SyncOptions {
  readonly remote: Remote
  /** the secret `backup_signing_key` */
  readonly key: Secret
  /** age recipient whose key is on paper */
  readonly recipient: string
  /** the directories of finished sets and of media snapshots, and one for sealed copies on their way; absolute */
  readonly sets: string
  readonly snapshots: string
  readonly staging: string
  /** called with what is being done and the bytes that arrived, of all that are to be sent */
  readonly progress: (what: string, done: number, total: number) => void
}

export interface SyncResult {
  /** the newest set that is there with all its files; `null`: none of this host's is */
  readonly newest_set: string | null
  readonly newest_set_age_seconds: number | null
  /** sets of this host that are there */
  readonly sets: number
  readonly sets_sent: number
  /** files of the newest media snapshot; all of them are there */
  readonly media: number
  readonly media_sent: number
  readonly bytes_sent: number
  /** files in the media directory that cannot be the server's, and were not sent */
  readonly left_out: readonly string[]
}

/**
 * Sends what the far side lacks: sets newest first, as the newest is the one that counts, then media. Nothing that is
 * there is replaced or removed.
 * @throws Fail when the far side fails, or a set of this host is damaged; what could be sent has been sent then
 */
export async function syncOffsite(o: SyncOptions): Promise<SyncResult> {
  const before = await survey(o)
  const { missing, foreign } = before.media
  const all = [...before.sets.missing.flatMap(({ files }) => files), ...missing]
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0)
  let done = 0
  const send = (what: string, held: SendOptions['held']): SendOptions => ({
    remote: o.remote,
    recipient: o.recipient,
    held,
    onBytes(bytes) {
      done += bytes
      o.progress(what, done, total)
    },
  })
  const damaged = await sendSets(before.sets.missing, (name) => send(`set ${name}`, before.heldSets))
  await sendStaged(o.staging, (staging) => sendMedia(missing, staging, send('media', before.heldMedia)))

  // The far side's own word for it: what is there, and how long.
  const after = all.length > 0 ? await survey(o) : before
  const problems = [...after.sets.broken, ...damaged]
  const short = after.media.missing.length
  if (short > 0) problems.push(`${short} media files did not arrive whole; the next run sends them again.`)
  for (const { set } of after.sets.missing) {
    if (damaged.some((text) => text.includes(set.name))) continue
    problems.push(`${set.name} did not arrive whole; the next run sends it again.`)
  }
  if (problems.length > 0) throw new Fail(problems.join('\n'), { next: NEXT })
  const newest = after.sets.there[0] ?? null
  return {
    newest_set: newest,
    newest_set_age_seconds:
      newest === null ? null : Math.round((Date.now() - dateOf(newest).getTime()) / 1000),
    sets: after.sets.there.length,
    sets_sent: before.sets.missing.length,
    media: after.media.there,
    media_sent: missing.length,
    bytes_sent: total,
    left_out: foreign,
  }
}

const NEXT = 'see what it means in docs/operations/offsite.md, then run: systemctl start whatsapp-mcp-offsite'

/** What is here and not there, by one listing of each directory. */
async function survey(o: SyncOptions) {
  const listings = await Promise.all([o.remote.list('sets'), o.remote.list('media')])
  const [heldSets, heldMedia] = [byName(listings[0]), byName(listings[1])]
  const snapshot = (await listSets(o.snapshots))[0]
  return {
    heldSets,
    heldMedia,
    sets: await missingSets(o.sets, o.key, heldSets),
    media: snapshot
      ? await missingMedia(join(o.snapshots, snapshot), heldMedia)
      : { missing: [], there: 0, foreign: [] },
  }
}

/** @returns what is wrong with sets that could not be sent, a sentence each */
async function sendSets(
  sets: readonly MissingSet[],
  options: (name: string) => SendOptions,
): Promise<string[]> {
  const damaged: string[] = []
  for (const missing of sets) {
    try {
      await sendSet(missing, options(missing.set.name))
    } catch (error) {
      const gone = await access(missing.set.directory).then(
        () => false,
        () => true,
      )
      // One that retention removed meanwhile is no loss; a damaged one must not keep the others here.
      if (error instanceof Damaged) damaged.push(error.message)
      else if (!gone) throw error
    }
  }
  return damaged
}

const STAGING = /^\.offsite\.\d+\.tmp$/

/** Gives `act` a directory for sealed copies, and removes it, as well as those of runs that were killed. */
async function sendStaged(staging: string, act: (directory: string) => Promise<void>): Promise<void> {
  const parent = dirname(staging)
  for (const name of await readdir(parent)) {
    if (STAGING.test(name)) await rm(join(parent, name), { recursive: true })
  }
  await mkdir(staging, { mode: 0o700 })
  try {
    await act(staging)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}
