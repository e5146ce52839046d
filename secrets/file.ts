import { WrongKey } from './age.ts'
import { readText, writeAtomically } from './atomic.ts'
import { problemsOf } from './check.ts'
import { parseDocument } from './document.ts'
import type { SecretName } from './schema.ts'
import type { Secret } from './secret.ts'
import { type Opened, open } from './sops.ts'

const MISSING = 'Make it with: npx zx scripts/secrets.ts init; on a host, pull the repository that holds it.'

/** The encrypted file as it was read, for a change that must not overwrite somebody else's. */
export interface OpenedFile extends Opened {
  readonly path: string
  readonly text: string
}

/**
 * Opens the encrypted file for use: MAC verified, exactly the secrets of the schema, each long enough.
 * @throws Error with every problem found; no value is part of the message
 */
export async function readSecrets(path: string, identity: Secret): Promise<Map<SecretName, Secret>> {
  const { values } = await openFile(path, identity)
  const problems = problemsOf(values)
  if (problems.length > 0) throw new Error(`${path} is not complete:\n  ${problems.join('\n  ')}`)
  return new Map(values) as Map<SecretName, Secret>
}

/** Opens the file whatever secrets it holds, so that it can be mended. The MAC is verified all the same. */
export async function openFile(path: string, identity: Secret): Promise<OpenedFile> {
  const text = await readText(path, MISSING)
  return { path, text, ...(await reading(path, () => open(text, identity))) }
}

/** The recipients named in the encrypted file, in its order. Needs no key and proves nothing. */
export async function recipientsOfFile(path: string): Promise<string[]> {
  const text = await readText(path, MISSING)
  return reading(path, () => parseDocument(text).age.map((key) => key.recipient))
}

/**
 * Puts a new text in place of the one that was opened.
 * @param next computes the text from what was opened
 * @returns whether anything changed
 * @throws Error when the file has changed in the meantime
 */
export async function replaceFile(
  opened: OpenedFile,
  next: () => string | Promise<string>,
): Promise<boolean> {
  const text = await next()
  if (text === opened.text) return false
  if ((await readText(opened.path, MISSING)) !== opened.text) {
    throw new Error(
      `${opened.path} was changed by somebody else meanwhile. Nothing was written: run this again.`,
    )
  }
  await writeAtomically(opened.path, text, 0o644)
  return true
}

const RESTORE = 'Restore the file from git: git checkout -- secrets/secrets.enc.yaml'

async function reading<T>(path: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof WrongKey) throw new WrongKey(`${path}: ${error.message}`)
    throw new Error(`${path}: ${messageOf(error)}. ${RESTORE}`)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'it cannot be read'
}
