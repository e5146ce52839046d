import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openRemote, type Remote } from '../../../scripts/offsite/remote.ts'
import { newIdentity, recipientOf } from '../../../secrets/age.ts'
import { offsiteSettings } from '../../../secrets/remotes.ts'
import { Secret } from '../../../secrets/secret.ts'

/** The programs of the distribution that these tests are about; without them there is nothing to test. */
export function programsMissing(): string | undefined {
  const missing = ['age', 'rclone'].filter((name) => {
    try {
      execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' })
      return false
    } catch {
      return true
    }
  })
  return missing.length > 0
    ? `not installed: ${missing.join(', ')} (apt-get install ${missing.join(' ')})`
    : undefined
}

export interface Key {
  readonly identity: Secret
  readonly recipient: string
}

export async function newKey(): Promise<Key> {
  const identity = await newIdentity()
  return { identity, recipient: await recipientOf(identity) }
}

/** A directory that is gone after the test. */
export async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'offsite-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export interface FarSide {
  /** what it holds, below `sets` and `media` */
  readonly directory: string
  readonly remote: Remote
  contents(part: 'sets' | 'media'): Promise<string[]>
}

/** A directory of this machine in the part of the far side, through the real rclone. */
export async function farSide(): Promise<FarSide> {
  const directory = join(await scratch(), 'far')
  await Promise.all(['sets', 'media'].map((part) => mkdir(join(directory, part), { recursive: true })))
  const settings = offsiteSettings(new Secret(JSON.stringify({ type: 'local', path: directory })))
  const remote = await openRemote(settings)
  onTestFinished(() => remote[Symbol.asyncDispose]())
  return {
    directory,
    remote,
    contents: async (part) => (await readdir(join(directory, part))).sort(),
  }
}

/** Writes a file of random bytes, with the directories above it. @returns its SHA-256 in hex */
export async function randomFile(path: string, bytes: number): Promise<string> {
  const content = randomBytes(bytes)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  return createHash('sha256').update(content).digest('hex')
}

export async function sha256(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}
