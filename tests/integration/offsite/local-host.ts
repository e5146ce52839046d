import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setName } from '../../../scripts/backup/layout.ts'
import { formatManifest, type Manifest, signManifest } from '../../../scripts/backup/manifest.ts'
import type { SyncOptions } from '../../../scripts/offsite/sync.ts'
import { Secret } from '../../../secrets/secret.ts'
import { type FarSide, farSide, type Key, newKey, randomFile, scratch } from './far-side.ts'

export const SIGNING_KEY = new Secret('test-signing-key-0123456789abcdef')
const HOUR = 3_600_000

/** A host with backups, and its far side. */
export interface LocalHost {
  readonly directory: string
  readonly recovery: Key
  readonly far: FarSide
  readonly options: SyncOptions
  /** progress as it was told */
  readonly told: string[]
  /** Makes a set of so many bytes, `age` hours old. */
  addSet(age: number, bytes?: number): Promise<string>
  /** Makes a snapshot of the media directory as it is now. */
  addMedia(places: Readonly<Record<string, number>>): Promise<void>
}

export async function localHost(): Promise<LocalHost> {
  const [directory, far, recovery] = await Promise.all([scratch(), farSide(), newKey()])
  const [sets, snapshots] = [join(directory, 'sets'), join(directory, 'media')]
  await Promise.all([sets, snapshots].map((path) => mkdir(path)))
  const told: string[] = []
  return {
    directory,
    recovery,
    far,
    told,
    options: {
      remote: far.remote,
      key: SIGNING_KEY,
      recipient: recovery.recipient,
      sets,
      snapshots,
      staging: join(directory, `.offsite.${process.pid}.tmp`),
      progress: (what, done, total) => told.push(`${what} ${done}/${total}`),
    },
    async addSet(age, bytes = 100_000) {
      const created = new Date(Date.now() - age * HOUR)
      const name = setName(created)
      await randomFile(join(sets, name, 'database.dump'), bytes)
      await randomFile(join(sets, name, 'host.tar.age'), 5000)
      await writeFile(
        join(sets, name, 'manifest.json'),
        formatManifest(await manifestOf(join(sets, name), created)),
      )
      return name
    },
    async addMedia(places) {
      const snapshot = join(snapshots, setName(new Date()))
      for (const [place, bytes] of Object.entries(places)) await randomFile(join(snapshot, place), bytes)
      await writeFile(join(snapshot, 'SHA256SUMS'), 'not sent\n')
    },
  }
}

async function manifestOf(directory: string, created: Date): Promise<Manifest> {
  const files = ['database.dump', 'host.tar.age'].map(async (name) => {
    const content = await readFile(join(directory, name))
    return { name, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }
  })
  const body = {
    ...{ version: 1 as const, name: setName(created), created: created.toISOString() },
    ...{ commit: 'abc1234', host: 'wa.test', seconds: 1, images: {}, media: { files: 0, bytes: 0 } },
    database: { name: 'wa_mcp', server_version: '18.1', migration: '0007', tables: [] },
    files: await Promise.all(files),
  }
  return signManifest(body, SIGNING_KEY)
}
