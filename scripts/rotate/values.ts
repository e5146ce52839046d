import { explode, inspectExploded } from '../../secrets/explode.ts'
import { type OpenedFile, openFile, readSecrets, replaceFile } from '../../secrets/file.ts'
import { type SecretName, specOf } from '../../secrets/schema.ts'
import type { Secret } from '../../secrets/secret.ts'
import { change } from '../../secrets/sops.ts'
import { Refused } from '../lib/fail.ts'
import { readIdentityFile } from '../lib/place.ts'
import { generate } from '../secrets/init.ts'
import type { Host } from './host.ts'
import type { Change } from './steps.ts'

export type Values = Map<SecretName, Secret>

/** One secret that gets a new value; the one before stays in the file under `previous` until it is proved to be dead. */
export interface Replacement {
  readonly name: SecretName
  readonly previous: SecretName
  /** By default a random one. */
  readonly make?: () => Promise<Secret>
}

/** All secrets, opened with this host's key. @throws Error when the file is incomplete or damaged */
export async function readValues({ place, ageKey }: Host): Promise<Values> {
  return readSecrets(place.secretsFile, await readIdentityFile(ageKey))
}

/** The encrypted file, opened with this host's key. @throws Error when the key does not open it */
export async function openSecrets({ place, ageKey }: Host): Promise<OpenedFile> {
  return openFile(place.secretsFile, await readIdentityFile(ageKey))
}

/** Changes the encrypted file in one step. */
export async function editValues(
  host: Host,
  edit: (values: Map<string, Secret>) => void | Promise<void>,
): Promise<void> {
  const opened = await openSecrets(host)
  const values = new Map(opened.values)
  await edit(values)
  await replaceFile(opened, () => change(opened, values))
}

/** @throws Refused naming what there is nothing to replace of */
export async function refuseUnlessSet(host: Host, names: readonly SecretName[], next: string): Promise<void> {
  const values = await readValues(host)
  const missing = names.filter((name) => !values.has(name))
  if (missing.length > 0)
    throw new Refused(`${missing.join(' and ')} is not set: there is nothing to replace`, { next })
}

/**
 * New values in the secrets file, beside the ones before. That these are there is what says, to a later run, that a
 * replacement is under way; so it never happens twice.
 */
export function replaced(
  host: Host,
  replacements: readonly Replacement[],
  more: () => Iterable<readonly [SecretName, Secret]> = () => [],
): Change {
  return {
    title: `new ${replacements.map(({ name }) => name).join(', ')} in the secrets file`,
    async inspect() {
      const values = await readValues(host)
      const underWay = replacements.some(({ previous }) => values.has(previous))
      return underWay ? undefined : 'it holds the value to be replaced'
    },
    apply: () =>
      editValues(host, async (values) => {
        for (const { name, previous, make } of replacements) {
          const old = values.get(name)
          const fresh = await (make ?? (async () => random(name)))()
          if (old !== undefined) values.set(previous, old)
          values.set(name, fresh)
        }
        for (const [name, value] of more()) values.set(name, value)
      }),
  }
}

function random(name: SecretName): Secret {
  const { source } = specOf(name)
  if (source === 'ask') throw new Error(`${name} cannot be generated`)
  return generate(source.generate)
}

/**
 * The files in memory that containers read. A running container sees each as soon as it is put in place.
 * @param without names to leave out although the file still holds them
 */
export function decrypted(host: Host, without: readonly SecretName[] = []): Change {
  const wanted = async () => {
    const values = await readValues(host)
    for (const name of without) values.delete(name)
    return values
  }
  return {
    title: 'decrypted for the containers',
    async inspect() {
      const differences = await inspectExploded(await wanted(), host.secrets, { chown: host.chown })
      return differences.length === 0 ? undefined : differences.join(', ')
    },
    async apply() {
      await explode(await wanted(), host.secrets, { chown: host.chown })
    },
  }
}

/** The end: nothing knows the old values any more. The file comes last, so that an interrupted run finds its place again. */
export function forgotten(host: Host, names: readonly SecretName[]): Change {
  return {
    title: `${names.join(', ')} forgotten`,
    async inspect() {
      const values = await readValues(host)
      return names.some((name) => values.has(name)) ? 'still in the secrets file' : undefined
    },
    async apply() {
      await decrypted(host, names).apply()
      await editValues(host, (values) => {
        for (const name of names) values.delete(name)
      })
    },
  }
}
