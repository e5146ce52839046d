import { rmSync } from 'node:fs'
import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isRunning } from '../../secrets/atomic.ts'

/** File systems that live in memory, by their magic numbers of statfs(2). */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6]
/** What ends a program on a terminal or in a service. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const PREFIX = 'whatsapp-mcp-private.'

export interface PrivateDirectory extends AsyncDisposable {
  readonly path: string
  remove(): Promise<void>
}

/**
 * A directory of one's own (0700) in memory, for key files that programs insist on reading from a path. It goes with the
 * process when that is told to end; what a killed one left behind is removed on the way.
 * @throws Error when the place is on a disk
 */
export async function openPrivateDirectory(given?: string): Promise<PrivateDirectory> {
  const base = await inMemory(given === undefined ? usualPlaces() : [given])
  await removeAbandoned(base)
  const path = await mkdtemp(join(base, `${PREFIX}${process.pid}.`))
  const stopped = (signal: NodeJS.Signals): void => {
    rmSync(path, { recursive: true, force: true })
    process.kill(process.pid, signal)
  }
  for (const signal of SIGNALS) process.once(signal, stopped)
  const remove = async (): Promise<void> => {
    for (const signal of SIGNALS) process.off(signal, stopped)
    await rm(path, { recursive: true, force: true })
  }
  return { path, remove, [Symbol.asyncDispose]: remove }
}

/** systemd names the service's own directory; otherwise root's /run, and what every user may write. */
function usualPlaces(): string[] {
  const given = process.env.RUNTIME_DIRECTORY?.split(':')[0]
  if (given) return [given]
  return process.getuid?.() === 0 ? ['/run', '/dev/shm'] : ['/dev/shm']
}

async function inMemory(places: readonly string[]): Promise<string> {
  for (const place of places) if (IN_MEMORY.includes((await statfs(place)).type)) return place
  throw new Error(
    `${places.join(' and ')}: on a disk, where keys must not be. Set RUNTIME_DIRECTORY to a directory on tmpfs.`,
  )
}

async function removeAbandoned(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const pid = name.startsWith(PREFIX) ? /^(\d+)\./.exec(name.slice(PREFIX.length))?.[1] : undefined
    if (pid && !isRunning(Number(pid))) await rm(join(base, name), { recursive: true, force: true })
  }
}
