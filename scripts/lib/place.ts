import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type OpenedFile, openFile } from '../../secrets/file.ts'
import { parseIdentity } from '../../secrets/identity.ts'
import type { Secret } from '../../secrets/secret.ts'
import { askHidden, isInteractive } from './prompt.ts'

/** The two files all secrets commands work on. */
export interface Place {
  readonly sopsYaml: string
  readonly secretsFile: string
}

/** @param root the repository; default: the one this script belongs to */
export function placeIn(root: string | undefined): Place {
  const repository = root ? resolve(root) : dirname(dirname(dirname(fileURLToPath(import.meta.url))))
  return {
    sopsYaml: join(repository, '.sops.yaml'),
    secretsFile: join(repository, 'secrets/secrets.enc.yaml'),
  }
}

export const PLACE_OPTIONS = { root: { type: 'string' }, 'age-key-file': { type: 'string' } } as const

export const PLACE_HELP = `  --root DIR            repository that holds .sops.yaml and secrets/ (default: this one)
  --age-key-file FILE   key to open the file with; otherwise $CREDENTIALS_DIRECTORY/age.key,
                        $SOPS_AGE_KEY_FILE, /etc/whatsapp-mcp/age.key, or a hidden prompt`

const HOST_KEY = '/etc/whatsapp-mcp/age.key'

interface Where {
  readonly root?: string | undefined
  readonly 'age-key-file'?: string | undefined
}

/** Opens the encrypted file with the key these options lead to. */
export async function openPlace(o: Where): Promise<{ place: Place; opened: OpenedFile; identity: Secret }> {
  const place = placeIn(o.root)
  const identity = await findIdentity(o['age-key-file'])
  return { place, identity, opened: await openFile(place.secretsFile, identity) }
}

/**
 * The age key to work with: from the file named, the service's credentials, the environment, the host, or a person.
 * @throws Error when the key file that is to be used cannot be, or there is neither file nor terminal
 */
export async function findIdentity(file: string | undefined): Promise<Secret> {
  const { CREDENTIALS_DIRECTORY: credentials, SOPS_AGE_KEY_FILE: fromSops } = process.env
  const credential = credentials && join(credentials, 'age.key')
  if (file) return readIdentityFile(file)
  if (credential && (await isThere(credential))) return readIdentityFile(credential)
  if (fromSops) return readIdentityFile(fromSops)
  if (await isThere(HOST_KEY)) return readIdentityFile(HOST_KEY)
  const typed = await askHidden('Age key', 'Name the key with --age-key-file FILE.', (secret) => {
    const parsed = parseIdentity(secret.reveal())
    return parsed.ok || parsed.problem
  })
  return identityIn(typed.reveal(), 'The age key')
}

/** @throws Error naming the file, never its content */
export async function readIdentityFile(path: string): Promise<Secret> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`The age key file ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
  return identityIn(text, path)
}

/**
 * @param name of the text, for the error
 * @throws Error saying what is wrong, never any part of the text
 */
export function identityIn(text: string, name: string): Secret {
  const parsed = parseIdentity(text)
  if (!parsed.ok) throw new Error(`${name} cannot be used: ${parsed.problem}`)
  return parsed.identity
}

/** A host's key that this user may not read counts as absent: operators have their own. */
async function isThere(path: string): Promise<boolean> {
  try {
    await readFile(path)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || (code === 'EACCES' && path === HOST_KEY && isInteractive())) return false
    throw new Error(
      `The age key file ${path} cannot be read (${code}). Name another with --age-key-file FILE.`,
    )
  }
}
