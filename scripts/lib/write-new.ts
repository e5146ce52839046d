import { open, rm } from 'node:fs/promises'

/**
 * Writes a private file (0600) that was not there before.
 * @throws Error when the file exists: it may be the only copy of a key
 */
export async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw new Error(`${path} exists and is not overwritten. Name another file.`)
    throw new Error(`${path} cannot be written (${error.code}).`)
  })
  try {
    await file.writeFile(text)
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}
