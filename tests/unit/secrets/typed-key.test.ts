import { beforeAll, describe, expect, it } from 'vitest'
import { ALPHABET, isValid, syndrome } from '../../../secrets/bech32.ts'
import { parseIdentity, recipientOf, suggestCorrection } from '../../../secrets/identity.ts'
import { Secret } from '../../../secrets/secret.ts'
import { printedGroups } from '../../../secrets/typed.ts'
import { dice, errorOf, type Key, newKey } from './fixtures.ts'
import { mistype, places } from './mistype.ts'

let key: Key
let others: string[]

beforeAll(async () => {
  key = await newKey()
  others = [(await newKey()).recipient, key.recipient]
})

describe('reading a key', () => {
  it('takes it as people type it', () => {
    const groups = printedGroups(key.body)
    expect(groups.map((group) => group.length)).toEqual([...Array(14).fill(4), 2])
    const ways = [
      key.identity.reveal(),
      `${key.identity.reveal()}\n`,
      key.identity.reveal().toLowerCase(),
      groups.join(' '),
      groups.join('-'),
      `AGE-SECRET-KEY-1\n${groups.slice(0, 5).join(' ')}\r\n${groups.slice(5).join('  ')}`,
      `# created: today\n# public key: ${key.recipient}\n${key.identity.reveal()}\n`,
      `AGE–SECRET—KEY-1 ${key.body}`,
      key.body.replaceAll('0', 'O').replaceAll('8', 'b').replaceAll('L', '1'),
    ]
    for (const typed of ways) {
      const parsed = parseIdentity(typed)
      expect(parsed.ok && parsed.identity.reveal()).toBe(key.identity.reveal())
    }
  })

  it('says what is wrong', () => {
    const problem = (typed: string) => {
      const parsed = parseIdentity(typed)
      return parsed.ok ? undefined : parsed.problem
    }
    expect(problem(' \n')).toMatch(/No key/)
    expect(problem(key.recipient)).toMatch(/public half/)
    expect(problem('AGE-SECRET-KEY-PQ-1QQQ')).toMatch(/not supported/)
    expect(problem('AGE-PLUGIN-YUBIKEY-1QQQ')).toMatch(/not supported/)
    expect(problem(`${key.identity.reveal()}\n${key.identity.reveal()}`)).toMatch(/2 keys/)
    expect(problem(key.body.slice(1))).toMatch(/58 characters.*57/)
    expect(problem(`${key.body.slice(0, 9)}?${key.body.slice(10)}`)).toMatch(/In group 3 /)
    expect(problem(mistype(key.body, [12]).text)).toMatch(/checksum/)
  })

  it('knows the checksum of the standard (BIP 173, valid and invalid strings)', () => {
    const symbols = (text: string) => [...text].map((letter) => ALPHABET.indexOf(letter))
    expect(syndrome('a', symbols('2uel5l'))).toBe(0)
    expect(syndrome('split', symbols('checkupstagehandshakeupstreamerranterredcaperred2y9e3w'))).toBe(0)
    expect(syndrome('split', symbols('checkupstagehandshakeupstreamerranterredcaperred2y9e2w'))).not.toBe(0)
    expect(isValid('age', key.recipient.slice(4))).toBe(true)
    expect(isValid('age', `${key.recipient.slice(4, -1)}b`)).toBe(false)
  })

  it('gives the recipient of a key, and no text of a broken one', async () => {
    expect(await recipientOf(key.identity)).toBe(key.recipient)
    const error = await errorOf(() =>
      recipientOf(new Secret(`AGE-SECRET-KEY-1${mistype(key.body, [3]).text}`)),
    )
    expect(error.message).not.toContain(key.body.slice(10, 30))
    expect(error.cause).toBeUndefined()
  })
})

describe('correcting a key', () => {
  for (const [wrong, rounds] of [
    [1, 58],
    [2, 30],
    [3, 4],
    [4, 3],
  ] as const) {
    it(`finds ${wrong} wrong character${wrong > 1 ? 's' : ''} and their groups`, async () => {
      const roll = dice(wrong)
      for (let round = 0; round < rounds; round++) {
        const { text, groups } = mistype(key.body, wrong === 1 ? [round] : places(wrong, roll), roll)
        const found = await suggestCorrection(text, others)
        expect(found?.identity.reveal()).toBe(key.identity.reveal())
        expect(found?.recipient).toBe(key.recipient)
        expect(found?.groups).toEqual(groups)
      }
    })
  }

  it('finds unreadable characters, alone and next to wrong ones', async () => {
    const roll = dice(99)
    for (const [unreadable, wrong] of [
      [1, 0],
      [4, 0],
      [6, 0],
      [1, 2],
      [2, 1],
      [4, 1],
    ] as const) {
      const chosen = places(unreadable + wrong, roll)
      // Adjacent, which is always solvable for six.
      const gaps = unreadable === 6 ? [20, 21, 22, 23, 24, 25] : chosen.slice(wrong)
      const letters = [...mistype(key.body, chosen.slice(0, wrong)).text]
      for (const gap of gaps) letters[gap] = '?'
      const found = await suggestCorrection(letters.join(''), others)
      expect(found?.identity.reveal(), `${unreadable} unreadable, ${wrong} wrong`).toBe(key.identity.reveal())
    }
  })

  it('finds one character that is missing or too many, anywhere', async () => {
    for (const place of [0, 1, 17, 30, 56, 57]) {
      const missing = key.body.slice(0, place) + key.body.slice(place + 1)
      const found = await suggestCorrection(missing, others)
      expect(found?.identity.reveal()).toBe(key.identity.reveal())
      const extra = `${key.body.slice(0, place)}Q${key.body.slice(place)}`
      const other = await suggestCorrection(extra, others)
      expect(other?.identity.reveal()).toBe(key.identity.reveal())
      expect(other?.groups).toHaveLength(1)
    }
    // One that looks the same on every keyboard layout.
    let plain = key
    while (/[YZ]/.test(plain.body)) plain = await newKey()
    expect((await suggestCorrection(`Q${plain.body}`, [plain.recipient]))?.groups).toEqual([1])
    const both = mistype(key.body, [40]).text
    expect((await suggestCorrection(both.slice(0, 9) + both.slice(10), others))?.groups).toEqual([3, 11])
  })

  it('sees through a QWERTZ keyboard, mangled dashes and slips in the prefix', async () => {
    // More swapped letters than could be corrected one by one.
    let candidate = key
    while ((candidate.body.match(/[YZ]/g)?.length ?? 0) < 5) candidate = await newKey()
    const swap = (text: string) => text.replace(/[YZ]/g, (letter) => (letter === 'Y' ? 'Z' : 'Y'))
    const typed = swap(candidate.body)
    for (const prefix of ['', 'AGE-SECRET-KEZ-1', 'AGEßSECRETßKEZß1', 'AGE/SECRET/KEZ/1']) {
      const found = await suggestCorrection(prefix + typed, [candidate.recipient])
      expect(found?.identity.reveal(), prefix).toBe(candidate.identity.reveal())
    }
    for (const prefix of ['AGE-SECRET-KEV-1', 'AGE-SECRT-KEY-1', 'AGE-SECRET-KEY-L', 'GE-SECRET-KEY-1']) {
      const found = await suggestCorrection(prefix + mistype(candidate.body, [5]).text, [candidate.recipient])
      expect(found?.groups, prefix).toEqual([2])
    }
  })

  it('offers nothing for garbage, for a key of somebody else, or for five mistakes', async () => {
    expect(await suggestCorrection('', others)).toBeUndefined()
    expect(await suggestCorrection('hello', others)).toBeUndefined()
    expect(await suggestCorrection((await newKey()).body, others)).toBeUndefined()
    expect(await suggestCorrection(mistype(key.body, [1, 11, 21, 31, 41]).text, others)).toBeUndefined()
    expect(await suggestCorrection(`???????${key.body.slice(7)}`, others)).toBeUndefined()
  })
})
