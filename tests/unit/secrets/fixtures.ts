import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { newIdentity, recipientOf } from '../../../secrets/age.ts'
import { formatRecipients } from '../../../secrets/recipients.ts'
import { SECRET_NAMES, type SecretName } from '../../../secrets/schema.ts'
import { Secret } from '../../../secrets/secret.ts'
import { create } from '../../../secrets/sops.ts'

export interface Key {
  readonly identity: Secret
  readonly recipient: string
  /** the 58 characters after the prefix */
  readonly body: string
}

export async function newKey(): Promise<Key> {
  const identity = await newIdentity()
  return { identity, recipient: await recipientOf(identity), body: identity.reveal().slice(16) }
}

/** A value for every secret of the schema, each different and recognisable in any output. */
export function allSecrets(): Map<SecretName, Secret> {
  return new Map(
    SECRET_NAMES.map((name) => {
      const canary = `canary-${name}-ü-0123456789abcdef0123456789`
      return [name, new Secret(OF_A_FORM[name]?.(canary) ?? canary)]
    }),
  )
}

const KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\n'
const KNOWN_HOSTS = 'vault.example.org ssh-ed25519 AAAA'

/** Secrets that are not any text; the canary is somewhere in them. */
const OF_A_FORM: Partial<Record<SecretName, (canary: string) => string>> = {
  offsite_remote: (canary) =>
    JSON.stringify({ type: 's3', path: 'bucket/prefix', secret_access_key: canary }),
  audit_remote: (canary) =>
    JSON.stringify({ host: 'vault', user: 'audit', key: KEY + canary, known_hosts: KNOWN_HOSTS }),
  alert_url: (canary) => `https://alerts.example.org/${canary}`,
}

/** A directory that is gone after the test. */
export async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** `.sops.yaml` and secrets.enc.yaml with a host, a recovery and an operator's key. */
export async function repository() {
  const [host, recovery, operator, stranger] = await Promise.all([newKey(), newKey(), newKey(), newKey()])
  const directory = await scratch()
  const place = { sopsYaml: join(directory, '.sops.yaml'), secretsFile: join(directory, 'secrets.enc.yaml') }
  const roles = [
    { role: 'host', recipient: host.recipient },
    { role: 'recovery', recipient: recovery.recipient },
    { role: 'ops', recipient: operator.recipient },
  ]
  const text = await create(
    allSecrets(),
    roles.map(({ recipient }) => recipient),
  )
  await writeFile(place.sopsYaml, formatRecipients(roles))
  await writeFile(place.secretsFile, text)
  return { ...place, host, recovery, operator, stranger, roles, text }
}

/** What `act` throws; fails when it throws nothing. */
export async function errorOf(act: () => unknown): Promise<Error> {
  try {
    await act()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('nothing was thrown')
}

/** Deterministic random numbers below `limit`, so that a failure can be repeated. */
export function dice(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
