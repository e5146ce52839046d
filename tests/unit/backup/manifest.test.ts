import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  differences,
  type Figures,
  formatManifest,
  type ManifestBody,
  readManifest,
  signManifest,
} from '../../../scripts/backup/manifest.ts'
import { Secret } from '../../../secrets/secret.ts'

const KEY = new Secret('ab'.repeat(32))

const database: Figures = {
  name: 'wa_mcp',
  server_version: '18.1',
  migration: '0007_sessions',
  tables: [
    { name: 'clients', rows: 2, newest: '2026-11-21 07:00:00+00', hash: '12345' },
    { name: 'messages', rows: 0, newest: null, hash: '0' },
  ],
}

const body: ManifestBody = {
  version: 1,
  name: '20261121T074605Z',
  created: '2026-11-21T07:46:05.123Z',
  commit: 'unknown',
  host: 'wa',
  seconds: 1.5,
  database,
  files: [{ name: 'database.dump', bytes: 10, sha256: '0'.repeat(64) }],
  images: { postgres: 'registry/postgres@sha256:00', app: 'registry/app@sha256:00' },
  media: { files: 3, bytes: 99 },
}

const text = formatManifest(signManifest(body, KEY))

describe('manifest', () => {
  it('comes back as it was signed', () => {
    expect(readManifest(text, KEY)).toMatchObject(body)
  })

  it('is the same in any order of its fields', () => {
    const { mac, ...rest } = JSON.parse(text)
    const turned = JSON.stringify({ mac, ...Object.fromEntries(Object.entries(rest).reverse()) })
    expect(readManifest(turned, KEY)).toMatchObject(body)
  })

  it('is refused under another key, without repeating either', () => {
    const other = new Secret('cd'.repeat(32))
    expect(() => readManifest(text, other)).toThrow(/not signed with the backup_signing_key/)
    expect(() => readManifest(text, other)).not.toThrow(/cdcd|abab/)
  })

  it('is refused when any of its characters is another', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('0', '9', 'f', 'x', '"'), (at, character) => {
        const changed = text.slice(0, at) + character + text.slice(at + 1)
        // White space between fields may change; nothing that is said may.
        const same = () => JSON.stringify(JSON.parse(changed)) === JSON.stringify(JSON.parse(text))
        let equal = false
        try {
          equal = same()
        } catch {
          equal = false
        }
        if (!equal) expect(() => readManifest(changed, KEY)).toThrow(/^The manifest/)
      }),
      { numRuns: 2000 },
    )
  })

  it('is refused when it says more or less than it should, naming the field', () => {
    const parsed = JSON.parse(text)
    const said = (value: unknown) => () => readManifest(JSON.stringify(value), KEY)
    expect(said({ ...parsed, extra: 1 })).toThrow(/damaged/)
    expect(said({ ...parsed, media: undefined })).toThrow(/damaged: media/)
    expect(said({ ...parsed, files: [{ ...parsed.files[0], name: '../x' }] })).toThrow(
      /damaged: files.0.name/,
    )
    expect(said({ ...parsed, version: 2 })).toThrow(/another version/)
    expect(() => readManifest('', KEY)).toThrow(/not JSON/)
  })
})

describe('differences', () => {
  const found = (change: (figures: Figures) => void): string[] => {
    const copy = structuredClone(database)
    change(copy)
    return differences(database, copy)
  }

  it('are none between equal databases, whatever their name and the version of Postgres', () => {
    expect(found((it) => Object.assign(it, { name: 'wa_mcp_restore', server_version: '19.0' }))).toEqual([])
  })

  it.each<[string, (figures: Figures) => void]>([
    ['clients has 1 rows instead of 2.', (it) => Object.assign(it.tables[0] ?? {}, { rows: 1 })],
    ['clients has rows with other contents.', (it) => Object.assign(it.tables[0] ?? {}, { hash: '1' })],
    ['The newest row of clients is of null', (it) => Object.assign(it.tables[0] ?? {}, { newest: null })],
    ['messages is missing.', (it) => it.tables.pop()],
    ['x is not in the manifest.', (it) => it.tables.push({ name: 'x', rows: 0, newest: null, hash: '0' })],
    ['The schema is at 0008, not at 0007_sessions.', (it) => Object.assign(it, { migration: '0008' })],
  ])('are told: %s', (sentence, change) => {
    const [only, ...more] = found(change)
    expect(only).toContain(sentence)
    expect(more).toEqual([])
  })
})
