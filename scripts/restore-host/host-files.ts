import { X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod'
import { recipientOf } from '../../secrets/identity.ts'
import { type Recipient, readRecipients } from '../../secrets/recipients.ts'
import type { Secret } from '../../secrets/secret.ts'
import { HOST_FILES } from '../backup/layout.ts'
import { hashFile } from '../backup/write-hashed.ts'
import { Fail, messageOf } from '../lib/fail.ts'
import { identityIn } from '../lib/place.ts'
import type { Remote } from '../offsite/remote.ts'
import { type OpenIdentity, unsealFile } from '../offsite/seal.ts'
import { runProgram } from './program.ts'
import { BadSet, type OffsiteSet } from './sets.ts'

const LETSENCRYPT = '/etc/letsencrypt'
/** Relative, as the archive has it. */
const AUDIT = 'var/lib/whatsapp-mcp/audit'
const SECONDS = 120

const answersSchema = z.looseObject({ domain: z.string() })

/** What the lost host was, as its backup has it. In memory only until it is put in place. */
export interface HostFiles {
  /** where it lies: on tmpfs, owners and links as they were */
  readonly directory: string
  /** the sealed archive, also on tmpfs */
  readonly sealed: string
  readonly answers: string
  readonly domain: string
  readonly key: Secret
  /** end of the certificate, or `undefined` when there is none for the domain */
  readonly certificateEnds: Date | undefined
}

/**
 * Brings the host's files of a set and opens them in memory.
 * @throws BadSet when they are not what the manifest says, or cannot be opened
 */
export async function bringHostFiles(
  set: OffsiteSet,
  remote: Remote,
  identity: OpenIdentity,
  sopsYaml: string,
): Promise<HostFiles> {
  const directory = join(remote.privateDirectory, 'host')
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { mode: 0o700 })
  await remote.fetch('sets', [set.host], remote.privateDirectory)
  const sealed = join(remote.privateDirectory, set.host.name)
  const recorded = set.manifest.files.find(({ name }) => name === HOST_FILES)
  if ((await hashFile(sealed)) !== recorded?.sha256)
    throw new BadSet(set.name, `${HOST_FILES} was altered: its SHA-256 is not that of the manifest`)
  try {
    await extract(sealed, identity, directory, ['--anchored', '--exclude=var'])
    return { directory, sealed, ...(await understand(directory, sopsYaml)) }
  } catch (error) {
    if (error instanceof Fail) throw error
    throw new BadSet(set.name, `${HOST_FILES} cannot be used: ${messageOf(error)}`, error)
  }
}

async function understand(directory: string, sopsYaml: string) {
  const answers = join(directory, 'etc/whatsapp-mcp/answers.yaml')
  const { domain } = answersSchema.parse(parse(await readFile(answers, 'utf8')))
  const key = identityIn(await readFile(join(directory, 'etc/whatsapp-mcp/age.key'), 'utf8'), 'The host key')
  await refuseOtherKey(key, await readRecipients(sopsYaml))
  const live = join(directory, LETSENCRYPT, 'live', domain, 'fullchain.pem')
  const certificateEnds = await readFile(live).then(
    (pem) => new Date(new X509Certificate(pem).validTo),
    () => undefined,
  )
  return { answers, domain, key, certificateEnds }
}

/** After a rotation the key in an older set is nobody's any more. */
async function refuseOtherKey(key: Secret, roles: readonly Recipient[]): Promise<void> {
  const recipient = await recipientOf(key)
  const host = roles.find(({ role }) => role === 'host')
  if (recipient === host?.recipient) return
  throw new Fail(
    `the host key in the backup (${recipient}) is not the one of .sops.yaml (${host?.recipient}): it was rotated after this backup was made`,
    {
      next: 'make a new host key, as docs/operations/secrets.md says under "Host key lost", or check out the commit before the rotation',
    },
  )
}

/**
 * Puts certificates with their account and links, and the closed audit segments, where they were. Repeatable: what an
 * earlier attempt left is replaced.
 */
export async function placeHostFiles(files: HostFiles, identity: OpenIdentity): Promise<void> {
  const [beside, before] = [`${LETSENCRYPT}.recovered`, `${LETSENCRYPT}.before`]
  await rm(beside, { recursive: true, force: true })
  await runProgram(['cp', '--archive', join(files.directory, LETSENCRYPT), beside], { seconds: SECONDS })
  await runProgram(['sync', '--file-system', beside], { seconds: SECONDS })
  await rm(before, { recursive: true, force: true })
  await rename(LETSENCRYPT, before).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rename(beside, LETSENCRYPT)
  await rm(before, { recursive: true, force: true })
  await extract(files.sealed, identity, '/', ['--', AUDIT])
}

async function extract(
  sealed: string,
  identity: OpenIdentity,
  into: string,
  what: readonly string[],
): Promise<void> {
  const { stream, done } = unsealFile(sealed, identity, SECONDS)
  const form = ['--extract', '--numeric-owner', '--preserve-permissions', '--same-owner', '--directory', into]
  await Promise.all([done, runProgram(['tar', ...form, ...what], { input: stream, seconds: SECONDS })])
}
