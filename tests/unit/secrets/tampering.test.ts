import { beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../../../secrets/secret.ts'
import { change, create, open, rewrap, rotate } from '../../../secrets/sops.ts'
import { errorOf, type Key, newKey } from './fixtures.ts'

const VALUES = new Map([
  ['first', new Secret('alpha: "quoted" # not a comment')],
  ['second', new Secret('zweite Zeile\nfolgt 🎉')],
  ['third', new Secret('0123')],
])

let host: Key
let recovery: Key
let text: string
let older: string

/** The envelope that stands behind a name. */
function envelope(of: string, name: string): string {
  return new RegExp(`^ *${name}: (ENC\\[.*\\])$`, 'm').exec(of)?.[1] ?? ''
}

function withEnvelope(of: string, name: string, other: string): string {
  return of.replace(envelope(of, name), other)
}

function flip(base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return bytes.toString('base64')
}

function flipPart(name: string, part: string): string {
  const old = envelope(text, name)
  return withEnvelope(
    text,
    name,
    old.replace(new RegExp(`${part}:([^,]+)`), (_, b64) => `${part}:${flip(b64)}`),
  )
}

beforeAll(async () => {
  host = await newKey()
  recovery = await newKey()
  older = await create(VALUES, [host.recipient, recovery.recipient])
  const opened = await open(older, host.identity)
  text = change(opened, new Map(opened.values).set('second', new Secret('newer')))
})

describe('the encrypted file', () => {
  it('opens for every recipient and gives back every value in order', async () => {
    for (const { identity } of [host, recovery]) {
      const { values } = await open(older, identity)
      expect([...values].map(([name, value]) => [name, value.reveal()])).toEqual(
        [...VALUES].map(([name, value]) => [name, value.reveal()]),
      )
    }
  })

  it('tolerates what changes nothing: CRLF, a mark at the start, a document marker, comments', async () => {
    const harmless = [text.replaceAll('\n', '\r\n'), `\uFEFF${text}`, `---\n${text}`, `# note\n${text}`]
    for (const variant of harmless) expect((await open(variant, host.identity)).values.size).toBe(3)
  })

  const tampered: Record<string, [() => string, RegExp]> = {
    'a bit flipped in a value': [() => flipPart('first', 'data'), /first was altered or moved/],
    'a bit flipped in an initialisation vector': [() => flipPart('first', 'iv'), /first was altered/],
    'a bit flipped in a tag': [() => flipPart('first', 'tag'), /first was altered/],
    'a bit flipped in the MAC': [() => flipPart('mac', 'data'), /sops\.mac was altered/],
    'two values swapped': [
      () => {
        const [first, third] = [envelope(text, 'first'), envelope(text, 'third')]
        return text.replace(first, '@').replace(third, first).replace('@', third)
      },
      /first was altered or moved/,
    ],
    'a name changed': [() => text.replace('first:', 'frist:'), /frist was altered or moved/],
    'a value replaced by plain text': [
      () => withEnvelope(text, 'first', 'hunter2'),
      /first stands there unencrypted/,
    ],
    'a value replaced by the empty string': [() => withEnvelope(text, 'first', '""'), /first is empty/],
    'a value replaced by nothing': [() => withEnvelope(text, 'first', ''), /first is empty/],
    'a name removed': [() => text.replace(/^first: .*\n/m, ''), /MAC does not match/],
    'values reordered': [() => text.replace(/^(first: .*\n)(second: .*\n)/m, '$2$1'), /MAC does not match/],
    'an older value of the same name put back': [
      () => withEnvelope(text, 'second', envelope(older, 'second')),
      /MAC does not match/,
    ],
    'a plain name added': [() => `added: hunter2\n${text}`, /added stands there unencrypted/],
    'an empty name added': [() => `added: ""\n${text}`, /added is empty/],
    'a name added that sops leaves in clear': [() => `x_unencrypted: hunter2\n${text}`, /x_unencrypted/],
    'the MAC removed': [() => text.replace(/^ {4}mac: .*\n/m, ''), /sops\.mac/],
    'the MAC emptied': [() => withEnvelope(text, 'mac', '""'), /sops\.mac/],
    'the MAC of the older file': [() => withEnvelope(text, 'mac', envelope(older, 'mac')), /MAC|sops\.mac/],
    'the time of the last change edited': [
      () => text.replace(/lastmodified: "\d{4}/, 'lastmodified: "1999'),
      /sops\.mac was altered or moved/,
    ],
    'the time unquoted': [() => text.replace(/lastmodified: "(.*)"/, 'lastmodified: $1'), /quotation marks/],
    'the time with a fraction': [() => text.replace(/Z"$/m, '.5Z"'), /sops\.lastmodified/],
    'the version removed': [() => text.replace(/^ {4}version: .*\n/m, ''), /sops\.version/],
    'the recipient list emptied': [
      () => text.replace(/ {4}age:\n(.*\n)*? {4}lastm/, '    age: []\n    lastm'),
      /sops\.age/,
    ],
    'a wrapped key damaged': [
      () => text.replace(/(BEGIN AGE ENCRYPTED FILE-----\n.{20}).{4}/, '$1AAAA'),
      /data key wrapped for age1\w+ is damaged/,
    ],
    'a recipient named twice': [
      () => text.replace(recovery.recipient, host.recipient),
      /names a recipient twice/,
    ],
    'labels of two recipients swapped': [
      () =>
        text
          .replace(host.recipient, '@')
          .replace(recovery.recipient, host.recipient)
          .replace('@', recovery.recipient),
      /is damaged/,
    ],
    'a type other than text': [
      () => withEnvelope(text, 'third', envelope(text, 'third').replace('type:str', 'type:int')),
      /third is of type int/,
    ],
    'an envelope cut short': [
      () => withEnvelope(text, 'third', envelope(text, 'third').slice(0, -20)),
      /third is damaged/,
    ],
    'a short tag': [
      () => withEnvelope(text, 'third', envelope(text, 'third').replace(/tag:[^,]+/, 'tag:AAAA')),
      /third has an initialisation vector or tag of the wrong size/,
    ],
    'base64 that decodes in more than one way': [
      () => withEnvelope(text, 'third', envelope(text, 'third').replace(/tag:[^,]+/, 'tag:AB==')),
      /malformed base64/,
    ],
    'a field that changes the meaning': [() => `${text}    mac_only_encrypted: true\n`, /mac_only_encrypted/],
    'another rule of what is encrypted': [
      () => text.replace('unencrypted_suffix: _unencrypted', 'encrypted_regex: ^data$'),
      /encrypted_regex/,
    ],
    'another suffix': [() => text.replace('suffix: _unencrypted', 'suffix: t'), /unencrypted_suffix/],
    'a key in a cloud': [() => `${text}    kms:\n        - arn: x\n`, /sops\.kms/],
    'no section sops': [() => text.replace(/^sops:[\s\S]*/m, ''), /no section "sops"/],
    'a second document': [() => `${text}---\na: b\n`, /exactly one YAML document/],
    'a name twice': [() => `first: ${envelope(text, 'first')}\n${text}`, /not valid YAML.*DUPLICATE_KEY/],
    'a list': [() => `list: [a]\n${text}`, /list must be a single value/],
    'a nested map': [() => `nested: {a: b}\n${text}`, /nested must be a single value/],
    'an alias': [
      () => text.replace('first: ', 'first: &a ').replace(/^third: .*/m, 'third: *a'),
      /YAML alias|YAML anchor/,
    ],
    'a tag': [() => text.replace('first: ', 'first: !!binary '), /YAML tag/],
    'a merge key': [() => `<<: {a: b}\n${text}`, /"<<"|single value/],
    'a name that is a path': [() => text.replace('first:', '"../first":'), /cannot be a secret's/],
    'a name that YAML reads as a boolean': [() => text.replace('first:', 'yes:'), /"yes"/],
    'no YAML at all': [() => 'a: [\n', /not valid YAML \(line/],
    'something else than a map': [() => '- a\n', /must be a map/],
    nothing: [() => '', /exactly one YAML document/],
    'more than a secrets file ever is': [() => `${text}${'#'.repeat(2 ** 20)}`, /larger than 1 MiB/],
  }

  for (const [what, [tamper, expected]] of Object.entries(tampered)) {
    it(`is refused with ${what}`, async () => {
      const variant = tamper()
      expect(variant).not.toBe(text)
      const error = await errorOf(() => open(variant, host.identity))
      expect(error.message).toMatch(expected)
      expect(error.message).not.toMatch(/hunter2|alpha|newer|AGE-SECRET/)
    })
  }

  it('is refused to a key that is no recipient, naming both sides', async () => {
    const stranger = await newKey()
    const error = await errorOf(() => open(text, stranger.identity))
    expect(error.message).toContain(stranger.recipient)
    expect(error.message).toContain(host.recipient)
    expect(error.message).not.toContain(stranger.body.slice(0, 8))
  })
})

describe('a change', () => {
  const differing = (a: string, b: string) => {
    const [before, after] = [a.split('\n'), b.split('\n')]
    expect(after.length).toBe(before.length)
    return before.filter((line, index) => line !== after[index]).map((line) => line.trim().split(':')[0])
  }

  it('of one value touches three lines', async () => {
    const opened = await open(text, host.identity)
    // The time has whole seconds.
    const old = { ...opened, document: { ...opened.document, lastmodified: '2020-01-01T00:00:00Z' } }
    const next = change(old, new Map(opened.values).set('first', new Secret('new')))
    expect(differing(text, next).filter((name) => name !== 'lastmodified')).toEqual(['first', 'mac'])
    expect((await open(next, recovery.identity)).values.get('first')?.reveal()).toBe('new')
  })

  it('to the same value changes nothing', async () => {
    const opened = await open(text, host.identity)
    expect(change(opened, new Map(opened.values))).toBe(text)
  })

  it('appends new names and drops removed ones', async () => {
    const opened = await open(text, host.identity)
    const values = new Map([['fourth', new Secret('4')], ...opened.values])
    values.delete('second')
    const { values: after } = await open(change(opened, values), host.identity)
    expect([...after.keys()]).toEqual(['first', 'third', 'fourth'])
  })

  it('of recipients keeps values, MAC, time and the keys of those who stay', async () => {
    const other = await newKey()
    const opened = await open(text, host.identity)
    const next = await rewrap(opened, [host.recipient, other.recipient])
    for (const name of ['first', 'second', 'third', 'mac'])
      expect(envelope(next, name)).toBe(envelope(text, name))
    expect(next.split('lastmodified')[1]).toBe(text.split('lastmodified')[1])
    expect(next).toContain(opened.document.age[0]?.enc.split('\n')[2])
    expect((await open(next, other.identity)).values.size).toBe(3)
    await expect(open(next, recovery.identity)).rejects.toThrow(/cannot open this file/)
  })

  it('of the data key changes every envelope and no value', async () => {
    const opened = await open(text, host.identity)
    const next = await rotate(opened, [host.recipient])
    for (const name of ['first', 'second', 'third', 'mac'])
      expect(envelope(next, name)).not.toBe(envelope(text, name))
    const after = await open(next, host.identity)
    expect(after.dataKey.equals(opened.dataKey)).toBe(false)
    expect([...after.values].map(([, value]) => value.reveal())).toEqual(
      [...opened.values].map(([, value]) => value.reveal()),
    )
  })

  it('is refused where it would lose a comment', async () => {
    const opened = await open(`# mine\n${text}`, host.identity)
    expect(() => change(opened, opened.values)).toThrow(/comments, which would be lost/)
    await expect(rotate(opened, [host.recipient])).rejects.toThrow(/comments/)
  })

  it('to a malformed recipient is refused', async () => {
    const opened = await open(text, host.identity)
    const typo = `${host.recipient.slice(0, -1)}${host.recipient.endsWith('q') ? 'p' : 'q'}`
    await expect(rewrap(opened, [typo])).rejects.toThrow(/is not an age recipient/)
  })
})
