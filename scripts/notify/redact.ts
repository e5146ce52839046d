import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const BLOT = '‹redacted›'
/** Shorter texts would blot out ordinary words. */
const SHORTEST = 8

/** What looks like a secret or a phone number, whether or not we know it. */
const SUSPECT: readonly RegExp[] = [
  /AGE-SECRET-KEY-1\w*/gi,
  /\bBearer\s+\S+/gi,
  /\b[A-Za-z0-9_-]{40,}\b/g,
  /(?<![\w.:-])\+?\d{9,15}(?![\w.:-])/g,
]

/** Blots out the known secrets, then what looks like one. */
export function redact(text: string, known: readonly string[]): string {
  const clean = known.reduce((rest, secret) => rest.replaceAll(secret, BLOT), text)
  return SUSPECT.reduce((rest, pattern) => rest.replace(pattern, BLOT), clean)
}

/**
 * Every text of this host that must not be seen: all decrypted secrets and, where one is JSON, the texts inside it.
 * Longest first, so that none is left half visible. `[]` when nothing is decrypted.
 * @param directory with one directory per consumer
 */
export async function knownSecrets(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    },
  )
  const values = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')),
  )
  const texts = values.flatMap((value) => [value, ...textsInside(value)]).filter((t) => t.length >= SHORTEST)
  return [...new Set(texts)].sort((a, b) => b.length - a.length)
}

/** Fields of a remote that name a place: in a message they are needed. */
const PLACES = new Set(['type', 'path', 'host', 'user', 'provider', 'region', 'endpoint', 'known_hosts'])

function textsInside(value: string): string[] {
  if (!value.startsWith('{')) return []
  try {
    return Object.entries(JSON.parse(value)).flatMap(([name, text]) =>
      typeof text === 'string' && !PLACES.has(name) ? [text, ...text.split('\n')] : [],
    )
  } catch {
    return []
  }
}
