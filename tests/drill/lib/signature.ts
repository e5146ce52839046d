import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './run.ts'

const NAMESPACE = 'whatsapp-mcp-drill'
const SIGNER = 'drill'

export interface SigningKey {
  /** Private key without a passphrase. */
  readonly file: string
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string
}

/**
 * The key that reports are signed with: the file named by $DRILL_SIGNING_KEY, or one made on first use in `directory`.
 * @throws when the file is no private key that can be used without a passphrase
 */
export async function openSigningKey(directory: string): Promise<SigningKey> {
  const file = process.env.DRILL_SIGNING_KEY ?? join(directory, 'signing-key')
  if (process.env.DRILL_SIGNING_KEY === undefined && !(await isThere(file))) {
    await mkdir(directory, { recursive: true })
    await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'drill', '-f', file])
  }
  const { stdout } = await run(['ssh-keygen', '-y', '-P', '', '-f', file])
  return { file, publicKey: stdout.trim().split(' ').slice(0, 2).join(' ') }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** @returns a detached signature as `ssh-keygen -Y sign` makes it */
export async function signText(text: string, key: SigningKey): Promise<string> {
  return (await run(['ssh-keygen', '-q', '-Y', 'sign', '-n', NAMESPACE, '-f', key.file], { input: text }))
    .stdout
}

/** Whether `text` is what was signed, with the key that belongs to `publicKey`. */
export async function isSignedBy(text: string, signature: string, publicKey: string): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'drill-signature-'))
  try {
    const [signers, detached] = [join(directory, 'signers'), join(directory, 'sig')]
    await writeFile(signers, `${SIGNER} namespaces="${NAMESPACE}" ${publicKey}\n`)
    await writeFile(detached, signature)
    const verify = ['-Y', 'verify', '-n', NAMESPACE, '-I', SIGNER, '-f', signers, '-s', detached]
    return (await run(['ssh-keygen', ...verify], { input: text, mayFail: true })).code === 0
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** `SHA256:…`, as people compare it. @throws when it is no public key */
export async function fingerprintOf(publicKey: string): Promise<string> {
  const { stdout } = await run(['ssh-keygen', '-l', '-f', '-'], { input: `${publicKey}\n` })
  return stdout.split(' ')[1] ?? ''
}
