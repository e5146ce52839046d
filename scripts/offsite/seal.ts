import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Secret } from '../../secrets/secret.ts'
import { childOutput } from '../lib/child-output.ts'
import { Fail } from '../lib/fail.ts'

const CHUNK = 64 * 1024
const TAG = 16
/** age-encryption.org/v1: intro 22, one X25519 stanza 54 + 44, the header's MAC 48, nonce 16. */
const HEADER = 184
/** Slowest disk and processor that are still of use. */
const BYTES_PER_SECOND = 2_000_000

/** Length of what age makes of so many bytes for one X25519 recipient; anything else broke off half-way. */
export function sealedBytes(plain: number): number {
  return HEADER + plain + TAG * Math.max(1, Math.ceil(plain / CHUNK))
}

/** The reverse of {@link sealedBytes}; `undefined` when nothing sealed can have this length. */
export function plainBytes(sealed: number): number | undefined {
  const body = sealed - HEADER
  const plain = body - TAG * Math.max(1, Math.ceil(body / (CHUNK + TAG)))
  return plain >= 0 && sealedBytes(plain) === sealed ? plain : undefined
}

/**
 * Encrypts a file by the distribution's `age`.
 * @param target is overwritten
 * @returns length of the target in bytes
 * @throws Error with what age says, or when the length is not the expected one; the target is removed
 */
export async function seal(source: string, target: string, recipient: string): Promise<number> {
  const { size } = await stat(source)
  try {
    await age(['-r', recipient, '-o', target, '--', source], { seconds: limitFor(size) }).done
    const { size: sealed } = await stat(target)
    if (sealed !== sealedBytes(size)) {
      throw new Error(
        `${source}: age wrote ${sealed} bytes instead of ${sealedBytes(size)}. Did the file change?`,
      )
    }
    return sealed
  } catch (error) {
    await rm(target, { force: true })
    throw error
  }
}

/**
 * Encrypts a file as a stream, for what is too large to keep a second time.
 * @returns the stream, and a promise of its success: an end of the stream alone proves nothing
 */
export function sealStream(
  source: string,
  recipient: string,
  seconds: number,
): { stream: Readable; done: Promise<void> } {
  const { stdout, done } = age(['-r', recipient, '--', source], { seconds })
  return { stream: stdout, done }
}

/** An age identity that programs of ours can open, and that no directory names. */
export interface OpenIdentity extends Disposable {
  readonly fd: number
}

/**
 * Puts an identity into a file in memory that has no name any more: age opens it by its descriptor.
 * @param directory on tmpfs, see openPrivateDirectory
 */
export function openIdentity(identity: Secret, directory: string): OpenIdentity {
  const path = join(directory, `.${randomBytes(8).toString('hex')}`)
  const fd = openSync(path, 'wx+', 0o600)
  // Unlinked before it is written: at no moment is there a name that leads to the key.
  unlinkSync(path)
  writeSync(fd, `${identity.reveal()}\n`)
  return { fd, [Symbol.dispose]: () => closeSync(fd) }
}

/**
 * Decrypts a file. The target appears whole and under its name, mode 0600, or not at all; it is not fsynced.
 * @throws Error when the identity is not the right one, or the file is truncated or altered
 */
export async function unseal(source: string, target: string, identity: OpenIdentity): Promise<void> {
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`)
  const { size } = await stat(source)
  try {
    // age makes none for nothing, and would give it rights for all.
    await writeFile(temporary, '', { mode: 0o600 })
    const argv = ['-d', '-i', '/dev/fd/3', '-o', temporary, '--', source]
    await age(argv, { seconds: limitFor(size), identity: identity.fd }).done
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/**
 * Decrypts a file into a stream. What comes out is authentic only once `done` has resolved.
 * @param seconds until it is given up
 */
export function unsealFile(
  source: string,
  identity: OpenIdentity,
  seconds: number,
): { stream: Readable; done: Promise<void> } {
  const { stdout, done } = age(['-d', '-i', '/dev/fd/3', '--', source], { seconds, identity: identity.fd })
  return { stream: stdout, done }
}

/**
 * Decrypts a stream. What comes out is authentic only once `done` has resolved.
 * @param seconds until it is given up
 */
export function unsealStream(
  source: Readable,
  identity: OpenIdentity,
  seconds: number,
): { stream: Readable; done: Promise<void> } {
  const { stdin, stdout, done } = age(['-d', '-i', '/dev/fd/3'], { seconds, identity: identity.fd })
  // age ends first when it finds a fault; its own words say more than the broken pipe.
  stdin.on('error', () => source.destroy())
  source.on('error', () => stdin.destroy())
  source.pipe(stdin)
  return { stream: stdout, done }
}

function limitFor(bytes: number): number {
  return 60 + Math.ceil(bytes / BYTES_PER_SECOND)
}

function age(argv: readonly string[], o: { seconds: number; identity?: number }) {
  const child = spawn('age', argv, {
    stdio: ['pipe', 'pipe', 'pipe', ...(o.identity === undefined ? [] : [o.identity])],
    timeout: o.seconds * 1000,
    killSignal: 'SIGKILL',
  })
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw new Error('age was started without pipes')
  const output = childOutput(stdout)
  let said = ''
  stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000)
  })
  const done = new Promise<void>((resolve, reject) => {
    child.on('error', () => reject(new Fail('age cannot be run', { next: 'apt-get install age' })))
    child.on('close', (code, signal) => {
      if (code === 0) resolve()
      else if (signal) reject(new Error(`age gave no answer within ${o.seconds} s`))
      else reject(new Error(explain(said)))
    })
  })
  // The caller may look at the stream first; the failure is still theirs to see by awaiting `done`.
  done.catch(() => undefined)
  return { stdin, stdout: output, done }
}

/** What age says, without the line that asks for reports to its author. */
function explain(said: string): string {
  const lines = said.split('\n').filter((line) => line.startsWith('age: error: '))
  return `age: ${lines.map((line) => line.slice('age: error: '.length)).join(' ') || 'it failed and said nothing'}`
}
