/** What sshd does, in its own words. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { DROP_IN } from '../../scripts/ssh/pending.ts'
import type { Shell } from './shell.ts'
import { type KeyHolders, keyHolders } from './ssh-keys.ts'

/** As `sshd -T` prints them: names in lower case. */
export type Settings = Readonly<Record<string, string>>

const CONFIG = '/etc/ssh/sshd_config'
const INCLUDE = /^[ \t]*Include[ \t]+\/etc\/ssh\/sshd_config\.d\/\*\.conf[ \t]*$/im

/** Whether there is an sshd on this host at all. */
export async function hasSshd(shell: Shell): Promise<boolean> {
  return (await shell({ allowFailure: true })`command -v sshd`).exitCode === 0
}

/** @throws {Fail} when sshd does not take its configuration */
export async function settings(shell: Shell): Promise<Settings> {
  await prepare(shell)
  return parseSettings((await shell({ next: 'sshd -t' })`sshd -T`).stdout)
}

/** What would hold without our drop-in, so that what we want does not depend on what we did. */
export async function settingsOfOthers(shell: Shell): Promise<Settings> {
  await prepare(shell)
  const directory = dirname(DROP_IN)
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const others = names.filter((name) => /^[^.].*\.conf$/.test(name) && name !== basename(DROP_IN)).sort()
  const includes = others.map((name) => `Include ${directory}/${name}`).join('\n')
  const text = (await readFile(CONFIG, 'utf8')).replace(INCLUDE, () => includes)
  // sshd opens its file by name, which the socket of a child process has not; a pipe has.
  return parseSettings((await shell({ input: text, next: 'sshd -t' })`cat | sshd -T -f /dev/stdin`).stdout)
}

/** Who could log in with a key. */
export async function holders(shell: Shell, found: Settings): Promise<KeyHolders> {
  const places = found.authorizedkeysfile?.split(' ').filter((place) => !['', 'none'].includes(place))
  return keyHolders(shell, places ?? [])
}

/** Where a socket starts sshd, this directory is missing until the first connection, and without it sshd says nothing. */
async function prepare(shell: Shell): Promise<void> {
  await shell()`test -d /run/sshd || install -d -m 0755 /run/sshd`
}

/** Reads what `sshd -T` prints. Of a name that comes several times the last counts. */
export function parseSettings(text: string): Settings {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const space = line.indexOf(' ')
      return space < 1 ? [] : [[line.slice(0, space), line.slice(space + 1)]]
    }),
  )
}
