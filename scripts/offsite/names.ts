import { DUMP, isSetName, MANIFEST } from '../backup/layout.ts'
import type { RemoteFile } from './remote.ts'

const SEALED = '.age'

/**
 * Name on the far side of a file of a set: `<set>.database.dump.age`, `<set>.host.tar.age`, `<set>.manifest.json`. The host's
 * files are sealed already when the set is made; the manifest is not, as it holds no secret and is signed.
 */
export function setFileName(set: string, file: string): string {
  return `${set}.${file}${file === DUMP ? SEALED : ''}`
}

/** The set a manifest of the far side is of; `undefined` for any other file. */
export function setOfManifest(name: string): string | undefined {
  const set = name.endsWith(`.${MANIFEST}`) ? name.slice(0, -MANIFEST.length - 1) : ''
  return isSetName(set) ? set : undefined
}

/** Our own media names only: anything else could not be brought back under its name. */
const PLACE = /^[0-9A-Za-z.-]+(\/[0-9A-Za-z.-]+)*$/

/**
 * Name of a media file on the far side, which has no directories: `/` becomes `_`.
 * @param place relative to the media directory
 * @returns `undefined` for a file that cannot be one of ours
 */
export function mediaName(place: string): string | undefined {
  return PLACE.test(place) ? place.replaceAll('/', '_') + SEALED : undefined
}

/** Where a media file of the far side belongs, relative to the media directory. `undefined`: not one of ours. */
export function mediaPlace(name: string): string | undefined {
  const base = splitAttempt(name).name
  if (!base.endsWith(SEALED)) return undefined
  const place = base.slice(0, -SEALED.length).replaceAll('_', '/')
  return PLACE.test(place) && !place.split('/').some((part) => /^\.+$/.test(part)) ? place : undefined
}

/**
 * An upload that broke off can be neither overwritten nor removed. The next attempt gets a number: `x.age`, `x.age.1`,
 * `x.age.2`.
 */
export function splitAttempt(name: string): { name: string; attempt: number } {
  const found = /^(.+\.(?:age|json))\.(\d{1,3})$/.exec(name)
  return found ? { name: found[1] ?? name, attempt: Number(found[2]) } : { name, attempt: 0 }
}

/** What the far side holds, by name without the attempt; the latest attempt first. */
export type Held = ReadonlyMap<string, readonly RemoteFile[]>

/** Sorts a listing of the far side by name. */
export function byName(listing: readonly RemoteFile[]): Held {
  const held = new Map<string, RemoteFile[]>()
  for (const file of listing) {
    const { name } = splitAttempt(file.name)
    held.set(name, [...(held.get(name) ?? []), file])
  }
  for (const attempts of held.values()) {
    attempts.sort((a, b) => splitAttempt(b.name).attempt - splitAttempt(a.name).attempt)
  }
  return held
}

/** The attempt that arrived whole, judged by its length. */
export function whole(held: Held, name: string, bytes: number): RemoteFile | undefined {
  return held.get(name)?.find((file) => file.bytes === bytes)
}

/** The name for the next attempt. */
export function nextAttempt(held: Held, name: string): string {
  const latest = held.get(name)?.[0]
  return latest === undefined ? name : `${name}.${splitAttempt(latest.name).attempt + 1}`
}
