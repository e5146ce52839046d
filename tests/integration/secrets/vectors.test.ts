import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isMap, isScalar, isSeq, parse, parseDocument } from 'yaml'
import { unwrap, type WrappedKey } from '../../../secrets/age.ts'
import { digest, isEnvelope, unseal } from '../../../secrets/cipher.ts'
import { Secret } from '../../../secrets/secret.ts'
import { open } from '../../../secrets/sops.ts'

// Files other projects published, with their published test keys; kept outside the repository.
const vectors = process.env.SOPS_VECTORS ?? join(import.meta.dirname, '../../../../shared/vectors/sops')
const hasVectors = existsSync(join(vectors, 'vectors.json'))
if (!hasVectors) console.warn(`skipped: no vectors of other sops releases in ${vectors} (set SOPS_VECTORS)`)

describe.skipIf(!hasVectors)('files of other sops releases (needs SOPS_VECTORS)', () => {
  // We take a flat map of text; each of these is something else on purpose, and must say so instead of being misread.
  const refused: [string, RegExp][] = [
    ['genuine/01-sops-3.8.1-types-three-recipients', /complex must be a single value/],
    ['genuine/02-sops-3.13.3-unicode-keys', /cannot be a secret's/],
    ['genuine/03-sops-3.13.3-merge-key', /must be a single value|YAML tag/],
    ['genuine/04-sops-3.10.2-encrypted-regex', /must be a single value|unencrypted|cannot be a secret's/],
    ['genuine/05-sops-3.7.1-age-and-pgp', /must be a single value/],
    [
      'genuine/06-mac-only-encrypted-unquoted-time',
      /must be a single value|cannot be a secret's|unencrypted/,
    ],
    ['made-here/m1-all-types-comments', /is empty/],
    ['made-here/m2-mac-only-encrypted', /is empty/],
    ['made-here/m3-list-comment', /list must be a single value/],
    ['made-here/m5-written-by-typescript-prototype', /empty is empty/],
  ]
  const expected = async (name: string): Promise<{ identities: string[]; plaintext_yaml: string }> =>
    JSON.parse(await readFile(join(vectors, 'vectors.json'), 'utf8'))[`${name}.enc.yaml`]
  const classicKey = async (name: string) => {
    const { identities } = await expected(name)
    return new Secret(identities.find((identity) => identity.startsWith('AGE-SECRET-KEY-1')) ?? '')
  }

  for (const [name, reason] of refused) {
    it(`${name} is refused by design: ${reason.source}`, async () => {
      const text = await readFile(join(vectors, `${name}.enc.yaml`), 'utf8')
      await expect(open(text, await classicKey(name))).rejects.toThrow(reason)
    })
  }

  it('made-here/m4-classic-and-pq-recipients opens with its classic key', async () => {
    const name = 'made-here/m4-classic-and-pq-recipients'
    const text = await readFile(join(vectors, `${name}.enc.yaml`), 'utf8')
    const { values } = await open(text, await classicKey(name))
    expect([...values].map(([key, value]) => [key, value.reveal()])).toEqual([['a', 'b']])
  })

  // 06 and m2 hash only part of their values (mac_only_encrypted), which we do not compute.
  // What we refuse to take as secrets still shows that envelopes, wrapped keys and MAC are read as sops means them.
  const readable = [
    'genuine/01-sops-3.8.1-types-three-recipients',
    'genuine/02-sops-3.13.3-unicode-keys',
    'genuine/03-sops-3.13.3-merge-key',
    'genuine/04-sops-3.10.2-encrypted-regex',
    'genuine/05-sops-3.7.1-age-and-pgp',
    'made-here/m1-all-types-comments',
    'made-here/m3-list-comment',
    'made-here/m5-written-by-typescript-prototype',
  ]
  for (const name of readable) {
    it(`${name} has the values and the MAC that our cipher computes`, async () => {
      const text = await readFile(join(vectors, `${name}.enc.yaml`), 'utf8')
      const { age, mac, lastmodified } = parse(text, { schema: 'failsafe', merge: false }).sops as {
        age: WrappedKey[]
        mac: string
        lastmodified: string
      }
      const dataKey = await unwrap(age, await classicKey(name))
      const leaves = leavesOf(parseDocument(text, { schema: 'failsafe' }).contents, '').filter(
        ({ text }) => !/type:comment\]$/.test(text),
      )
      // The type is outside the encryption; taken as text, each value shows the bytes that were hashed.
      const asText = (envelope: string) => envelope.replace(/type:[a-z]+\]$/, 'type:str]')
      const plain = leaves.map(({ text, path }) =>
        isEnvelope(text) ? unseal(asText(text), dataKey, path) : text,
      )
      expect(unseal(mac, dataKey, lastmodified)).toBe(digest(plain))
      const known = leavesOf(
        parseDocument((await expected(name)).plaintext_yaml, { schema: 'failsafe' }).contents,
        '',
      )
      // The bytes of a boolean are capitalised by sops.
      expect(plain).toEqual(known.map(({ text }) => (text === 'true' ? 'True' : text)))
    })
  }
})

/** Leaves in document order with the path sops authenticates; list items share the path of their list. */
function leavesOf(node: unknown, path: string): { path: string; text: string }[] {
  if (isSeq(node)) return node.items.flatMap((item) => leavesOf(item, path))
  if (isMap(node)) {
    return node.items.flatMap(({ key, value }) => {
      const name = isScalar(key) ? (key.source ?? '') : ''
      return name === 'sops' && path === '' ? [] : leavesOf(value, `${path}${name}:`)
    })
  }
  const text = isScalar(node) ? String(node.value) : ''
  return text === 'null' ? [] : [{ path, text }]
}
