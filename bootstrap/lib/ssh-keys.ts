/** Who can become root by way of ssh with a key, as far as files tell. */
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Shell } from './shell.ts'

export interface KeyHolders {
  readonly root: boolean
  /** somebody else who may become root */
  readonly administrator: boolean
}

const ADMINISTRATORS = ['sudo', 'admin', 'wheel']

interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** @param places of `AuthorizedKeysFile`, as `sshd -T` prints them */
export async function keyHolders(shell: Shell, places: readonly string[]): Promise<KeyHolders> {
  const accounts = parseAccounts((await shell()`getent passwd`).stdout)
  // Fails when one of the groups does not exist.
  const groups = (await shell({ allowFailure: true })`getent group ${ADMINISTRATORS}`).stdout
    .split('\n')
    .map((line) => line.split(':'))
  const members = new Set(groups.flatMap(([, , , names]) => names?.split(',') ?? []))
  const gids = new Set(groups.map(([, , gid]) => Number(gid)))
  const holds = async (some: readonly Account[]) =>
    (await Promise.all(some.map((account) => hasKey(account, places, shell)))).includes(true)
  const [root, administrator] = await Promise.all([
    holds(accounts.filter(({ uid }) => uid === 0)),
    holds(accounts.filter(({ uid, name, gid }) => uid !== 0 && (members.has(name) || gids.has(gid)))),
  ])
  return { root, administrator }
}

function parseAccounts(passwd: string): Account[] {
  return passwd.split('\n').flatMap((line) => {
    const [name = '', , uid, gid, , home = '', program = ''] = line.split(':')
    return home === '' || /\/(nologin|false)$/.test(program)
      ? []
      : [{ name, uid: Number(uid), gid: Number(gid), home }]
  })
}

async function hasKey(account: Account, places: readonly string[], shell: Shell): Promise<boolean> {
  for (const place of places) {
    const named = place.replace(/%(.)/g, (_, c: string) => ({ h: account.home, u: account.name })[c] ?? '%')
    const path = named.startsWith('/') ? named : `${account.home}/${named}`
    if (!(await isTrusted(path, account))) continue
    const lines = usableLines(await readFile(path, 'utf8'))
    const shown = await shell({ allowFailure: true, input: lines.join('\n') })`ssh-keygen -l -f -`
    if (/^\d+ SHA256:/m.test(shown.stdout)) return true
  }
  return false
}

/** sshd takes no file that others could have written (StrictModes). */
async function isTrusted(path: string, { uid }: Account): Promise<boolean> {
  const found = await Promise.all([path, dirname(path)].map((one) => stat(one).catch(() => undefined)))
  return found.every((one) => one !== undefined && [0, uid].includes(one.uid) && (one.mode & 0o022) === 0)
}

/** Keys that open a shell: cloud images leave root one that only says which user to take. */
export function usableLines(text: string): string[] {
  return text.split('\n').filter((line) => {
    const options = /^(.*?)\b(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ AAAA/.exec(line.trim())?.[1]
    return options !== undefined && !options.startsWith('#') && !/\b(command=|restrict\b)/.test(options)
  })
}
