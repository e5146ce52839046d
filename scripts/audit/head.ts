/** The end of the chain, signed by the host, as it lies in the archive. Needs Node and ssh-keygen. */
import { readFile } from 'node:fs/promises'
import { runProgram } from './program.ts'

const NAMESPACE = 'whatsapp-mcp-audit'
/** Who signs, as the file of allowed signers calls them. */
export const SIGNER = 'whatsapp-mcp'

const LIMIT = 20
const NAME = /^head-[1-9]\d{0,14}-[0-9a-f]{8}\.json$/

export interface Head {
  readonly id: number
  /** Hexadecimal. */
  readonly hash: string
}

export const headName = ({ id, hash }: Head): string => `head-${id}-${hash.slice(0, 8)}.json`

export const isHeadName = (name: string): boolean => NAME.test(name)

/** Always the same bytes for the same head, so that sending it again changes nothing. */
export const headText = ({ id, hash }: Head): string => `${JSON.stringify({ hash, id })}\n`

/** @returns `undefined` when the file holds something else */
export async function readHead(path: string): Promise<Head | undefined> {
  const text = await readFile(path, 'utf8')
  const [, hash, id] = /^\{"hash":"([0-9a-f]{64})","id":([1-9]\d*)\}\n$/.exec(text) ?? []
  return hash === undefined ? undefined : { id: Number(id), hash }
}

/**
 * A detached signature in the format of `ssh-keygen -Y sign`.
 * @param keyFile private key without a passphrase
 */
export async function sign(text: string, keyFile: string): Promise<string> {
  const argv = ['-q', '-Y', 'sign', '-n', NAMESPACE, '-f', keyFile]
  const { code, stdout, stderr } = await runProgram('ssh-keygen', argv, { seconds: LIMIT, input: text })
  if (code === 0 && stdout.startsWith('-----BEGIN SSH SIGNATURE-----')) return stdout
  throw new Error(`ssh-keygen cannot sign with the key of audit_remote: ${stderr.split('\n').at(-1)}`)
}

/**
 * Whether a file beside its signature (`<path>.sig`) was signed by one of the signers.
 * @param signers file in the format of ALLOWED SIGNERS in ssh-keygen(1)
 */
export async function isSigned(path: string, signers: string): Promise<boolean> {
  const argv = ['-Y', 'verify', '-n', NAMESPACE, '-I', SIGNER, '-f', signers, '-s', `${path}.sig`]
  return (await runProgram('ssh-keygen', argv, { seconds: LIMIT, input: { file: path } })).code === 0
}
