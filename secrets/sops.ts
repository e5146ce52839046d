import { randomBytes } from 'node:crypto'
import { unwrap, type WrappedKey, wrap } from './age.ts'
import { DATA_KEY_BYTES, digest, sameDigest, seal, unseal } from './cipher.ts'
import { type Document, formatDocument, parseDocument } from './document.ts'
import { Secret } from './secret.ts'

/** The release whose layout {@link formatDocument} follows; written into new files. */
const SOPS_VERSION = '3.13.3'

/** A document whose data key is at hand and whose MAC was right. */
export interface Opened {
  readonly document: Document
  readonly dataKey: Buffer
  /** in the order of the file */
  readonly values: ReadonlyMap<string, Secret>
}

/**
 * Decrypts every value and verifies the MAC over all of them, so that a value put back from an older version, or one
 * removed, is noticed as well. The MAC is no signature: whoever knows the recipients can write a whole new file.
 * @throws Error that names what is wrong; never a value
 */
export async function open(text: string, identity: Secret): Promise<Opened> {
  const document = parseDocument(text)
  const dataKey = await unwrap(document.age, identity)
  const values = new Map<string, Secret>()
  for (const [name, envelope] of document.values) {
    values.set(name, new Secret(named(name, () => unseal(envelope, dataKey, `${name}:`))))
  }
  const expected = named('sops.mac', () => unseal(document.mac, dataKey, document.lastmodified))
  if (!sameDigest(expected, digest(plainOf(values)))) {
    throw new Error(
      'the MAC does not match: a value was removed, reordered or put back from an older version',
    )
  }
  return { document, dataKey, values }
}

/** A new file with a data key of its own. */
export async function create(
  values: ReadonlyMap<string, Secret>,
  recipients: readonly string[],
): Promise<string> {
  return encryptAll(values, recipients, SOPS_VERSION)
}

/** The same secrets under a new data key, wrapped for `recipients`. */
export async function rotate(opened: Opened, recipients: readonly string[]): Promise<string> {
  refuseComments(opened.document)
  return encryptAll(opened.values, recipients, opened.document.version)
}

/**
 * The file with exactly `values` in it. What did not change keeps its envelope, so one new value is a diff of three
 * lines: value, time, MAC. New names go to the end.
 */
export function change(opened: Opened, values: ReadonlyMap<string, Secret>): string {
  const { document, dataKey } = opened
  refuseComments(document)
  const kept = [...document.values.keys()].filter((name) => values.has(name))
  const added = [...values.keys()].filter((name) => !document.values.has(name))
  const next = new Map([...kept, ...added].map((name) => [name, values.get(name) as Secret]))
  const envelopes = new Map<string, string>()
  for (const [name, value] of next) {
    const same = opened.values.get(name)?.reveal() === value.reveal()
    const old = same ? document.values.get(name) : undefined
    envelopes.set(name, old ?? seal(value.reveal(), dataKey, `${name}:`))
  }
  const sealed = { ...document, values: envelopes }
  const unchanged = formatDocument(sealed) === formatDocument(document)
  return formatDocument(unchanged ? document : { ...sealed, ...stamp(next, dataKey) })
}

/** The same data key for another list of recipients; values, MAC and time stay as they are. */
export async function rewrap(opened: Opened, recipients: readonly string[]): Promise<string> {
  refuseComments(opened.document)
  const known = new Map(opened.document.age.map((key) => [key.recipient, key]))
  const age = await wrapAll(opened.dataKey, recipients, known)
  return formatDocument({ ...opened.document, age })
}

async function encryptAll(
  values: ReadonlyMap<string, Secret>,
  recipients: readonly string[],
  version: string,
): Promise<string> {
  const dataKey = randomBytes(DATA_KEY_BYTES)
  const envelopes = new Map(
    [...values].map(([name, value]) => [name, seal(value.reveal(), dataKey, `${name}:`)]),
  )
  const age = await wrapAll(dataKey, recipients)
  return formatDocument({ values: envelopes, age, version, ...stamp(values, dataKey) })
}

function wrapAll(dataKey: Buffer, recipients: readonly string[], known?: Map<string, WrappedKey>) {
  return Promise.all(recipients.map(async (recipient) => known?.get(recipient) ?? wrap(dataKey, recipient)))
}

function stamp(values: ReadonlyMap<string, Secret>, dataKey: Buffer): Pick<Document, 'lastmodified' | 'mac'> {
  const lastmodified = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  return { lastmodified, mac: seal(digest(plainOf(values)), dataKey, lastmodified) }
}

function plainOf(values: ReadonlyMap<string, Secret>): string[] {
  return [...values.values()].map((value) => value.reveal())
}

function refuseComments(document: Document): void {
  if (!document.hasComments) return
  throw new Error('The secrets file holds comments, which would be lost. Remove them with: sops edit FILE')
}

function named<T>(name: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new Error(`${name} ${error instanceof Error ? error.message : 'cannot be read'}`)
  }
}
