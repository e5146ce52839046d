import { randomBytes } from 'node:crypto'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Reads a text file.
 * @param remedy what to do when it is missing, as a sentence for the error
 */
export async function readText(path: string, remedy: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') throw new Error(`${path} is missing. ${remedy}`)
    if (code === 'EACCES')
      throw new Error(`${path} may not be read by this user. Run as its owner or as root.`)
    throw new Error(`${path} cannot be read (${code}).`)
  }
}

/** The text of a file that need not be there. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Replaces a file in one step: readers see the old text or the new one, also after a power cut.
 * @param owner to give the file to; only root can. Default: whoever runs this.
 */
export async function writeAtomically(
  path: string,
  text: string,
  mode: number,
  owner?: { uid: number; gid: number },
): Promise<void> {
  await removeAbandoned(path)
  const unique = `${process.pid}.${randomBytes(6).toString('hex')}`
  const temporary = join(dirname(path), `.${basename(path)}.${unique}.tmp`)
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.chmod(mode)
      if (owner) await file.chown(owner.uid, owner.gid)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  const directory = await open(dirname(path))
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** What a writer that was killed half-way left beside the file. */
async function removeAbandoned(path: string): Promise<void> {
  const start = `.${basename(path)}.`
  for (const name of await readdir(dirname(path))) {
    const pid = name.startsWith(start) && /^(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name.slice(start.length))?.[1]
    if (pid && !isRunning(Number(pid))) await rm(join(dirname(path), name), { force: true })
  }
}

/** Whether a process of this number lives, whoever owns it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
