import { isMap, isScalar, parseAllDocuments, type Scalar, visit, type YAMLMap } from 'yaml'
import * as z from 'zod'
import type { WrappedKey } from './age.ts'
import { isEnvelope } from './cipher.ts'
import { SECRET_NAME } from './schema.ts'

/**
 * The text of the encrypted file, taken apart but not decrypted. Of all that sops can write, this is the part we
 * accept: one document, a flat map, every value sealed.
 */
export interface Document {
  /** secret name → envelope, in the order of the file (the MAC depends on it) */
  readonly values: ReadonlyMap<string, string>
  readonly age: readonly WrappedKey[]
  /** RFC 3339, UTC, whole seconds */
  readonly lastmodified: string
  readonly mac: string
  /** version of sops that wrote the file; kept, since sops warns of a version newer than its own */
  readonly version: string
  /** Comments are outside the MAC and would be lost when we write. */
  readonly hasComments: boolean
}

const MAX_BYTES = 1024 * 1024
/** Plain scalars that YAML 1.1 readers such as sops take for something else than text. */
const YAML_KEYWORD = /^(y|n|yes|no|on|off|true|false|null|sops)$/

const unusedKeyType = z.union([z.array(z.never()).length(0), z.literal('')]).optional()

// Strict: a field we do not know (mac_only_encrypted, encrypted_regex, key_groups …) changes what the rest means.
const Metadata = z.strictObject({
  age: z.array(z.strictObject({ recipient: z.string(), enc: z.string() })).min(1),
  lastmodified: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  mac: z.string().refine(isEnvelope, 'is missing or not encrypted'),
  unencrypted_suffix: z.literal('_unencrypted').optional(),
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  kms: unusedKeyType,
  gcp_kms: unusedKeyType,
  azure_kv: unusedKeyType,
  hc_vault: unusedKeyType,
  hckms: unusedKeyType,
  pgp: unusedKeyType,
})

/**
 * @throws Error naming the field and what is wrong with it; values never appear in the message, since one of them
 *   might be a secret that somebody wrote in clear
 */
export function parseDocument(text: string): Document {
  if (text.length > MAX_BYTES) throw new Error('it is larger than 1 MiB')
  const root = parseRoot(text)
  const values = new Map<string, string>()
  let metadata: YAMLMap | undefined
  for (const { key, value } of root.items) {
    const name = isScalar(key) ? String(key.value) : ''
    if (name === 'sops' && isMap(value)) metadata = value
    else values.set(checkName(name), checkValue(name, value))
  }
  if (!metadata) throw new Error('it has no section "sops": it was never encrypted')
  return { values, ...parseMetadata(metadata), hasComments: /(^|\s)#/m.test(text) }
}

function parseRoot(text: string): YAMLMap {
  // The failsafe schema leaves every scalar the text it is: no numbers, dates or booleans to disagree about.
  const [document, ...more] = parseAllDocuments(text, {
    schema: 'failsafe',
    uniqueKeys: true,
    logLevel: 'silent',
  })
  if (!document || more.length > 0) throw new Error('it must hold exactly one YAML document')
  const flaw = document.errors[0] ?? document.warnings[0]
  if (flaw) throw new Error(`it is not valid YAML (line ${flaw.linePos?.[0].line ?? '?'}: ${flaw.code})`)
  visit(document, {
    Alias() {
      throw new Error('it holds a YAML alias; write the value out')
    },
    Node(_, node) {
      if ('anchor' in node && node.anchor) throw new Error('it holds a YAML anchor; remove it')
      if (node.tag) throw new Error('it holds a YAML tag; remove it')
    },
  })
  if (!isMap(document.contents)) throw new Error('it must be a map of names to values')
  return document.contents as YAMLMap
}

function checkName(name: string): string {
  if (!SECRET_NAME.test(name) || YAML_KEYWORD.test(name) || name.endsWith('_unencrypted')) {
    throw new Error(
      `it holds the name ${JSON.stringify(name)}, which cannot be a secret's (${SECRET_NAME.source})`,
    )
  }
  return name
}

function checkValue(name: string, node: unknown): string {
  if (!isScalar(node)) throw new Error(`${name} must be a single value, not a list or map`)
  const value = String(node.value)
  if (value === '') throw new Error(`${name} is empty; give it a value or remove it`)
  if (isEnvelope(value)) return value
  throw new Error(
    value.startsWith('ENC[')
      ? `${name} is damaged: not an envelope as sops writes it`
      : `${name} stands there unencrypted; treat it as leaked: replace the secret, then set it with scripts/secrets.ts`,
  )
}

function parseMetadata(node: YAMLMap): Omit<Document, 'values' | 'hasComments'> {
  const time = node.get('lastmodified', true) as Scalar | undefined
  if (time && !time.type?.startsWith('QUOTE')) {
    throw new Error('sops.lastmodified must stand in quotation marks, or sops refuses the file')
  }
  const parsed = Metadata.safeParse(node.toJSON())
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Error(`${['sops', ...(issue?.path ?? [])].join('.')}: ${issue?.message}`)
  }
  const { age, lastmodified, mac, version } = parsed.data
  if (new Set(age.map((key) => key.recipient)).size < age.length)
    throw new Error('sops.age names a recipient twice')
  return { age, lastmodified, mac, version }
}

/** The text as sops itself lays it out, so that a change by either tool is a small diff. */
export function formatDocument(document: Omit<Document, 'hasComments'>): string {
  const lines = [...document.values].map(([name, envelope]) => `${name}: ${envelope}`)
  lines.push('sops:', '    age:')
  for (const { recipient, enc } of document.age) {
    lines.push('        - enc: |')
    for (const line of enc.trimEnd().split('\n')) lines.push(`            ${line}`)
    lines.push(`          recipient: ${recipient}`)
  }
  lines.push(
    `    lastmodified: "${document.lastmodified}"`,
    `    mac: ${document.mac}`,
    '    unencrypted_suffix: _unencrypted',
    `    version: ${document.version}`,
  )
  return `${lines.join('\n')}\n`
}
