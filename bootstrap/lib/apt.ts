import { stat } from 'node:fs/promises'
import type { Context } from './context.ts'
import type { Resource } from './resource.ts'

const LISTS = '/var/lib/apt/lists/partial'
const FRESH_SECONDS = 3600
const OPTIONS = [
  ...['-o', 'DPkg::Lock::Timeout=180'],
  ...['-o', 'Acquire::Retries=2'],
  ...['-o', 'Acquire::http::Timeout=20'],
  ...['-o', 'Acquire::https::Timeout=20'],
] as const
const ENV = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' }
const NEXT = 'check that the package mirror is reachable: apt-get update'

/** Packages whose names depend on the release, or on what is there. */
export interface Choice {
  /** What is missing, in words, or `undefined`. */
  inspect(): Promise<string | undefined>
  names(): Promise<readonly string[]>
}

/**
 * Packages, installed without recommendations and in one go: each call of apt costs seconds of its own.
 * @param choices further packages, whose names are asked for when they are to be installed
 */
export function packages(
  title: string,
  context: Context,
  names: readonly string[],
  ...choices: readonly Choice[]
): Resource {
  return {
    title,
    async inspect() {
      const missing = await missingPackages(context, names)
      if (missing.length > 0) return `not installed: ${missing.join(', ')}`
      const found = await Promise.all(choices.map((choice) => choice.inspect()))
      return found.find((difference) => difference !== undefined)
    },
    async apply() {
      await refreshLists(context.shell)
      const chosen = await Promise.all(choices.map((choice) => choice.names()))
      await install(context, [...(await missingPackages(context, names)), ...chosen.flat()])
    },
  }
}

/** Those of `names` that are not installed whole. */
export async function missingPackages({ shell }: Context, names: readonly string[]): Promise<string[]> {
  const list = await shell({
    allowFailure: true,
  })`dpkg-query -W -f ${'$' + '{Package} $' + '{db:Status-Status}\\n'} ${names}`
  const installed = new Set(
    list.stdout.split('\n').flatMap((line) => (line.endsWith(' installed') ? line.split(' ')[0] : [])),
  )
  return names.filter((name) => !installed.has(name))
}

/** Installs, after mending what an interrupted run may have left half configured. */
export async function install({ shell }: Context, names: readonly string[]): Promise<void> {
  const broken = await shell({ allowFailure: true })`dpkg --audit`
  if (broken.stdout.trim() !== '') await shell({ seconds: 300, env: ENV, next: NEXT })`dpkg --configure -a`
  await refreshLists(shell)
  await shell({
    seconds: 900,
    env: ENV,
    next: NEXT,
  })`apt-get ${OPTIONS} -y --no-install-recommends install ${names}`
}

/** The version apt would install, or `undefined` when it knows none. */
export async function candidate({ shell }: Context, name: string): Promise<string | undefined> {
  const policy = await shell({ allowFailure: true })`apt-cache policy ${name}`
  const version = /^ {2}Candidate: (.+)$/m.exec(policy.stdout)?.[1]
  return version === undefined || version === '(none)' ? undefined : version
}

/**
 * Asks the mirrors what there is, unless that was done within the hour.
 * @throws Fail when no mirror answers
 */
export async function refreshLists(shell: Context['shell'], o = { force: false }): Promise<void> {
  const age = await stat(LISTS).then(
    ({ mtimeMs }) => (Date.now() - mtimeMs) / 1000,
    () => Number.POSITIVE_INFINITY,
  )
  if (age < FRESH_SECONDS && !o.force) return
  await shell({ seconds: 300, env: ENV, next: NEXT })`apt-get ${OPTIONS} update`
}
