import { rm } from 'node:fs/promises'
import { Fail } from '../lib/fail.ts'
import type { Remote, RemoteFile } from '../offsite/remote.ts'
import type { OpenIdentity } from '../offsite/seal.ts'
import { runBootstrap } from './bootstrap.ts'
import type { Choice } from './choice.ts'
import {
  bringDump,
  dropEmpty,
  type RestoredRows,
  restoreSet,
  startPostgres,
  storedFiles,
} from './database.ts'
import { type HostFiles, placeHostFiles } from './host-files.ts'
import { MediaRestore, type MediaResult } from './media.ts'
import type { Phases } from './phases.ts'
import { BadSet, type OffsiteSet } from './sets.ts'
import { type State, writeState } from './state.ts'

export interface Recovery {
  readonly phases: Phases
  readonly remote: Remote
  readonly identity: OpenIdentity
  readonly choice: Choice
  readonly set: OffsiteSet
  readonly host: HostFiles
  readonly mediaListing: readonly RemoteFile[]
  readonly state: State
  /** Lets others work on the database again. */
  readonly releaseDatabase: () => Promise<void>
}

export interface Recovered {
  readonly set: string
  readonly database: RestoredRows
  readonly media: MediaResult
}

/**
 * The work itself: the bootstrap's steps, with dump and media on their way meanwhile; then the database, and only then the
 * stack. Every part can be repeated, so a run that was killed is run again.
 */
export async function recover(o: Recovery): Promise<Recovered> {
  const { phases, remote, identity, host, state } = o
  const media = new MediaRestore(remote, identity, o.mediaListing)
  const ready = prepare(o)
  // When one part fails, the others finish what they are at: the next run goes on from there.
  const [prepared, brought, restored] = await Promise.allSettled([
    ready,
    phases.run('bring media', (progress) => media.bringAhead(o.set.manifest.media.bytes, progress)),
    state.database ? Promise.resolve(state.database) : database(o, ready),
  ])
  for (const part of [prepared, brought, restored]) if (part.status === 'rejected') throw part.reason
  if (restored.status === 'rejected') throw restored.reason
  const checked = await phases.run('check media', async (progress) =>
    media.complete(await storedFiles(), progress),
  )
  // From here on backups may be made: the bootstrap begins the first.
  await o.releaseDatabase()
  await phases.run('start and prove', () => runBootstrap(['--from', '40-stack'], host.key))
  await dropEmpty()
  const { set, ...rows } = restored.value
  return { set, database: rows, media: checked }
}

/** Everything but the data and the start. */
async function prepare({ phases, host, identity, state, set }: Recovery): Promise<void> {
  // Certbot may have renewed since an earlier attempt put them there.
  if (state.set !== set.name) {
    await phases.run('host files', () => placeHostFiles(host, identity))
    await writeState({ ...state, set: set.name })
  }
  await phases.run('bootstrap', () => runBootstrap(['--no-start', '--answers', host.answers], host.key))
  await phases.run('empty database', startPostgres)
}

/** The newest set that can be restored. A damaged one is passed over, unless it was asked for by name. */
async function database(o: Recovery, ready: Promise<void>): Promise<NonNullable<State['database']>> {
  const { phases, remote, identity, choice, state } = o
  for (let set: OffsiteSet | undefined = o.set; set !== undefined; set = await choice.next()) {
    const current = set
    try {
      const dump = await phases.run('bring database', (progress) =>
        bringDump(current, remote, identity, progress),
      )
      await ready
      const rows = await phases.run('restore database', (progress) => restoreSet(current, dump, progress))
      await rm(dump, { force: true })
      const done = { set: current.name, ...rows }
      await writeState({ ...state, set: o.set.name, database: done })
      return done
    } catch (error) {
      if (!(error instanceof BadSet)) throw error
      choice.passOver({ name: error.set, problem: error.problem })
    }
  }
  throw new Fail('no backup set of the far side could be restored', {
    next: 'npx zx scripts/backups.ts verify --offsite, on a machine that can; or name an older set: --set NAME',
  })
}
