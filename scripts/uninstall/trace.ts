import { readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { $ } from 'zx'
import { Fail, lastLines } from '../lib/fail.ts'

/** One thing the bootstrap, or what it started, left on the host: a resource the other way round. */
export interface Trace {
  /** of the plan's line */
  readonly title: string
  /** Without side effects. @returns what is there, in words; `undefined` when nothing is */
  inspect(): Promise<string | undefined>
  remove(): Promise<void>
}

const shell = $({ quiet: true, timeout: '150s', input: '', env: { ...process.env, LC_ALL: 'C.UTF-8' } })

/** @throws {Fail} with the program's last lines when it fails, or takes longer than two and a half minutes */
export async function run(...argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await shell`${argv}`.nothrow()
  if (exitCode === 0) return stdout.trim()
  throw new Fail(`exit ${exitCode ?? 'by signal'} from: ${argv.join(' ')}`, {
    next: 'mend the cause shown above, then run the same command again',
    output: lastLines(`${stdout}${stderr}`),
  })
}

/** What a program says that may fail, or not be there. */
export async function ask(...argv: readonly string[]): Promise<string> {
  return (await shell`${argv}`.nothrow()).stdout.trim()
}

/** Files and whole directories; those around them go as well once they are empty, as far as they are named. */
export function paths(
  title: string,
  wanted: () => Promise<readonly string[]>,
  o: { emptied?: readonly string[]; after?: () => Promise<void> } = {},
): Trace {
  return {
    title,
    async inspect() {
      const found = await wanted()
      return found.length === 0 ? undefined : found.join(', ')
    },
    async remove() {
      for (const path of await wanted()) await rm(path, { recursive: true, force: true })
      for (const path of o.emptied ?? []) await removeEmpty(path)
      await o.after?.()
    },
  }
}

/** Removes a directory that is empty; one with something in it, or none, is left alone. */
export async function removeEmpty(path: string): Promise<void> {
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (!['ENOENT', 'ENOTEMPTY'].includes(error.code ?? '')) throw error
  })
}

/** Those of the paths that are there. A `*` at the end of the name stands for any ending. */
export async function present(...wanted: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    wanted.map(async (path) => {
      const directory = dirname(path)
      const start = path.slice(directory.length + 1)
      const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return []
        throw error
      })
      const isIt = (name: string) =>
        start.endsWith('*') ? name.startsWith(start.slice(0, -1)) : name === start
      return names.filter(isIt).map((name) => join(directory, name))
    }),
  )
  return found.flat().sort()
}
