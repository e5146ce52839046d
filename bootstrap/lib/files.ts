import { chmod, chown, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readIfThere, writeAtomically } from '../../secrets/atomic.ts'
import type { Resource } from './resource.ts'

export { readIfThere }

/** Owner and permission bits of a managed path. Root's unless said otherwise. */
export interface Ownership {
  mode: number
  uid?: number
  gid?: number
}

/** What differs in owner or permissions, or `undefined`. Owners are compared for root only: nobody else can set them. */
export async function ownershipDiffers(path: string, o: Ownership): Promise<string | undefined> {
  const found = await stat(path)
  const mode = found.mode & 0o7777
  if (mode !== o.mode) return `${path} has mode ${mode.toString(8)}, not ${o.mode.toString(8)}`
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = [o.uid ?? 0, o.gid ?? 0]
  if (found.uid !== uid || found.gid !== gid)
    return `${path} belongs to ${found.uid}:${found.gid}, not ${uid}:${gid}`
  return undefined
}

/** Root sets owners; anybody else keeps what they write. */
function ownerOf(o: Ownership): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: o.uid ?? 0, gid: o.gid ?? 0 } : undefined
}

/** Several files with known text, treated as one resource. */
export function files(
  title: string,
  wanted: () => Promise<readonly ({ path: string; text: string } & Ownership)[]>,
  after?: () => Promise<void>,
): Resource {
  const differing = async (file: { path: string; text: string } & Ownership) => {
    const found = await readIfThere(file.path)
    if (found === undefined) return `${file.path} is missing`
    if (found !== file.text) return `${file.path} has other content`
    return ownershipDiffers(file.path, file)
  }
  return {
    title,
    async inspect() {
      for (const file of await wanted()) {
        const difference = await differing(file)
        if (difference !== undefined) return difference
      }
      return undefined
    },
    async apply() {
      for (const file of await wanted()) {
        if ((await differing(file)) === undefined) continue
        await mkdir(dirname(file.path), { recursive: true })
        await writeAtomically(file.path, file.text, file.mode, ownerOf(file))
      }
      await after?.()
    },
  }
}

/** Directories with their owners and modes; what is in them is left alone. */
export function directories(title: string, wanted: readonly ({ path: string } & Ownership)[]): Resource {
  return {
    title,
    async inspect() {
      for (const directory of wanted) {
        const found = await stat(directory.path).catch(() => undefined)
        if (!found?.isDirectory()) return `${directory.path} is missing`
        const difference = await ownershipDiffers(directory.path, directory)
        if (difference !== undefined) return difference
      }
      return undefined
    },
    async apply() {
      for (const directory of wanted) {
        await mkdir(directory.path, { recursive: true })
        await chmod(directory.path, directory.mode)
        const owner = ownerOf(directory)
        if (owner) await chown(directory.path, owner.uid, owner.gid)
      }
    },
  }
}

/**
 * Fills `{{name}}` places of a template. The templates hold configuration that differs per host, nothing else.
 * @throws when a place has no value, so that no half-filled file is installed.
 */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`template place {{${name}}} has no value`)
    return value
  })
}
