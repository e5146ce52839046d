import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Text by path below docs/reference. */
export type Files = ReadonlyMap<string, string>

/** Paths whose file is missing, says something else, or should not be there. */
export async function staleFiles(directory: string, files: Files): Promise<string[]> {
  const present = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  const paths = present
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
  const all = [...new Set([...files.keys(), ...paths])].sort()
  const isStale = async (path: string) =>
    !paths.includes(path) || (await readFile(join(directory, path), 'utf8')) !== files.get(path)
  const verdicts = await Promise.all(all.map(isStale))
  return all.filter((_, index) => verdicts[index])
}

/** Brings the stale ones up to date and removes those that should not be there. */
export async function writeFiles(directory: string, files: Files, stale: readonly string[]): Promise<void> {
  for (const path of stale) {
    const text = files.get(path)
    const file = join(directory, path)
    if (text === undefined) await rm(file)
    else {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    }
  }
}
