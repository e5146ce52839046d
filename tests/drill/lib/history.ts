import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import * as z from 'zod'
import { writeAtomically } from '../../../secrets/atomic.ts'
import { fingerprintOf, isSignedBy, type SigningKey, signText } from './signature.ts'

/** What of a report makes it a link of the chain. */
const linkSchema = z.object({
  started: z.iso.datetime(),
  ok: z.boolean(),
  commit: z.string(),
  /** SHA-256 of the file of the report before, in hexadecimal. */
  previous: z.string().nullable(),
  key: z.string(),
})
type Link = z.infer<typeof linkSchema>

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const historyOf = (directory: string): string => join(directory, 'history')

/** Names sort by time: `20261121T074605Z.json`. */
const nameOf = (started: string): string => `${started.slice(0, 19).replace(/[-:]/g, '')}Z.json`

/** @returns SHA-256 of the newest report that was kept, or `null` before the first */
export async function newestReport(directory: string): Promise<string | null> {
  const name = (await reportsIn(historyOf(directory))).at(-1)
  return name === undefined ? null : sha256(await readFile(join(historyOf(directory), name), 'utf8'))
}

async function reportsIn(history: string): Promise<string[]> {
  await mkdir(history, { recursive: true })
  return (await readdir(history)).filter((name) => name.endsWith('.json')).sort()
}

/** Signs a report, and keeps it as `report.json` and in the history, each with its signature beside it. */
export async function keepReport(
  directory: string,
  o: { text: string; started: string; key: SigningKey; copy?: string | undefined },
): Promise<void> {
  const signature = await signText(o.text, o.key)
  const places = [join(historyOf(directory), nameOf(o.started)), join(directory, 'report.json')]
  for (const place of o.copy === undefined ? places : [...places, o.copy]) {
    await mkdir(dirname(place), { recursive: true })
    await writeAtomically(`${place}.sig`, signature, 0o644)
    await writeAtomically(place, o.text, 0o644)
  }
}

export interface Verification {
  readonly faults: readonly string[]
  /** Reports that hang together, newest first, as far as the chain is whole. */
  readonly links: readonly Pick<Link, 'started' | 'ok' | 'commit'>[]
  /** Fingerprint of the key that signed them. */
  readonly signer: string
}

/**
 * Checks a report and all before it: each signed by the same key, each naming the one before.
 * @param signer public key that must have signed; absent: the one that the report itself names
 * @throws when the file cannot be read
 */
export async function verifyReport(file: string, signer?: string): Promise<Verification> {
  const directory = dirname(file)
  const history = basename(directory) === 'history' ? directory : historyOf(directory)
  const kept = new Map<string, string>()
  for (const name of await readdir(history).catch(() => []))
    if (name.endsWith('.json'))
      kept.set(sha256(await readFile(join(history, name), 'utf8')), join(history, name))
  const faults: string[] = []
  const links: Link[] = []
  let key = signer
  for (let path: string | undefined = file; path !== undefined; ) {
    const text: string = await readFile(path, 'utf8')
    const link = parseLink(text)
    if (link === undefined) {
      faults.push(`${basename(path)} is no signed report of a drill`)
      break
    }
    key ??= link.key
    const signature = await readFile(`${path}.sig`, 'utf8').catch(() => '')
    if (!(await isSignedBy(text, signature, key))) {
      faults.push(`the report of ${link.started} is not signed by ${key}, or was changed`)
      break
    }
    links.push(link)
    path = link.previous === null ? undefined : kept.get(link.previous)
    if (link.previous !== null && path === undefined) {
      faults.push(`the report before that of ${link.started} is missing in ${history}, or was changed`)
    }
  }
  return { faults, links, signer: key === undefined ? '' : await fingerprintOf(key) }
}

function parseLink(text: string): Link | undefined {
  try {
    return linkSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
