import { readFile, writeFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { ALPHABET, isValid, syndrome } from '../../../secrets/bech32.ts'
import { readSecrets, recipientsOfFile } from '../../../secrets/file.ts'
import {
  acceptHostIdentity,
  acceptRecoveryIdentity,
  parseIdentity,
  RefusedIdentity,
  recipientOf,
  suggestCorrection,
} from '../../../secrets/identity.ts'
import { formatRecipients, readRecipients } from '../../../secrets/recipients.ts'
import { Secret } from '../../../secrets/secret.ts'
import { create } from '../../../secrets/sops.ts'
import { printedGroups } from '../../../secrets/typed.ts'
import { allSecrets, dice, errorOf, type Key, newKey, repository } from './fixtures.ts'

const LETTERS = ALPHABET.toUpperCase()
let key: Key
let others: string[]

beforeAll(async () => {
  key = await newKey()
  others = [(await newKey()).recipient, key.recipient]
})

/** The body with other characters at these places, and the places' printed groups. */
function mistype(body: string, places: readonly number[], roll = dice(places.length + 7)) {
  const letters = [...body]
  for (const place of places) {
    const step = 1 + roll(31)
    letters[place] = LETTERS[(LETTERS.indexOf(letters[place] ?? '') + step) % 32] ?? ''
  }
  const groups = [...new Set(places.map((place) => Math.floor(place / 4) + 1))].sort((a, b) => a - b)
  return { text: letters.join(''), groups }
}

function places(count: number, roll: (limit: number) => number): number[] {
  const chosen = new Set<number>()
  while (chosen.size < count) chosen.add(roll(58))
  return [...chosen]
}

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

describe('accepting the key of the host', () => {
  it('takes the host key, in groups as well', async () => {
    const repo = await repository()
    const accepted = await acceptHostIdentity(printedGroups(repo.host.body).join(' '), repo)
    expect(accepted.recipient).toBe(repo.host.recipient)
    expect(accepted.identity.reveal()).toBe(repo.host.identity.reveal())
  })

  it('refuses every other key with its reason', async () => {
    const repo = await repository()
    const refusal = async (typed: string) => (await errorOf(() => acceptHostIdentity(typed, repo))).message
    expect(await refusal(repo.recovery.body)).toMatch(/recovery key\. It stays on paper/)
    expect(await refusal(repo.operator.body)).toMatch(/operator "ops"/)
    expect(await refusal(repo.stranger.body)).toMatch(/neither file knows/)
    expect(await refusal('nonsense')).toMatch(/type it again/)
  })

  it('points at the mistake and carries the correction', async () => {
    const repo = await repository()
    const error = await errorOf(() => acceptHostIdentity(mistype(repo.host.body, [4, 50]).text, repo))
    expect(error).toBeInstanceOf(RefusedIdentity)
    expect(error.message).toMatch(/in groups 2, 13\.$/)
    const { correction } = error as RefusedIdentity
    expect(correction?.identity.reveal()).toBe(repo.host.identity.reveal())
    expect(inspect(error)).not.toContain(repo.host.body)
  })

  it('does not offer to correct a mistyped recovery key', async () => {
    const repo = await repository()
    const error = await errorOf(() => acceptHostIdentity(mistype(repo.recovery.body, [4]).text, repo))
    expect(error.message).toMatch(/recovery key/)
    expect((error as RefusedIdentity).correction).toBeUndefined()
  })

  it('refuses when .sops.yaml and the file disagree', async () => {
    const repo = await repository()
    const [recovery, operator] = [repo.recovery.recipient, repo.operator.recipient]
    await writeFile(repo.secretsFile, await create(allSecrets(), [recovery, operator]))
    await expect(acceptHostIdentity(repo.host.body, repo)).rejects.toThrow(/not encrypted to it/)
    const replaced = repo.roles.map((entry) =>
      entry.role === 'host' ? { ...entry, recipient: repo.stranger.recipient } : entry,
    )
    await writeFile(repo.secretsFile, repo.text)
    await writeFile(repo.sopsYaml, formatRecipients(replaced))
    await expect(acceptHostIdentity(repo.host.body, repo)).rejects.toThrow(/\.sops\.yaml does not name it/)
  })

  it('never says any part of what was typed', async () => {
    const repo = await repository()
    const roll = dice(5)
    const slips: ((body: string) => string)[] = [
      (body) => body,
      (body) => mistype(body, [roll(58)], roll).text,
      (body) => mistype(body, places(2, roll), roll).text,
      (body) => body.slice(0, roll(58)),
      (body) => `${body}${body}`,
      (body) => `AGE-SECRET-KEY-PQ-1${body}`,
      (body) => `age1${body.toLowerCase()}`,
      (body) => body.replace(/.{4}/, 'ÄÖ€?'),
      (body) => `# ${body}`,
      (body) => `AGE-SECRET-KEY-1${body}\nAGE-SECRET-KEY-1${body}`,
    ]
    for (const { body } of [repo.host, repo.recovery, repo.operator, repo.stranger]) {
      for (const slip of slips) {
        const typed = slip(body)
        const seen: string[] = []
        try {
          seen.push(inspect(await acceptHostIdentity(typed, repo), { depth: 9 }))
        } catch (error) {
          seen.push(inspect(error, { depth: 9 }), JSON.stringify(error), (error as Error).stack ?? '')
        }
        const parsed = parseIdentity(typed)
        seen.push(inspect(parsed), JSON.stringify(parsed))
        const output = seen.join('\n').toUpperCase()
        for (let start = 0; start + 6 <= body.length; start++) {
          expect(output.includes(body.slice(start, start + 6))).toBe(false)
        }
      }
    }
  })
})

describe('accepting the recovery key', () => {
  it('takes the recovery key, in groups as well', async () => {
    const repo = await repository()
    const accepted = await acceptRecoveryIdentity(printedGroups(repo.recovery.body).join(' '), repo)
    expect(accepted.recipient).toBe(repo.recovery.recipient)
    expect(accepted.identity.reveal()).toBe(repo.recovery.identity.reveal())
  })

  it('refuses every other key with its reason', async () => {
    const repo = await repository()
    const refusal = async (typed: string) =>
      (await errorOf(() => acceptRecoveryIdentity(typed, repo))).message
    expect(await refusal(repo.host.body)).toMatch(/key of the host\. .* type the recovery key/)
    expect(await refusal(repo.operator.body)).toMatch(/operator "ops"/)
    expect(await refusal(repo.stranger.body)).toMatch(/neither file knows.*recovery key belongs to/)
  })

  it('corrects a slip in the recovery key, and none towards the host key', async () => {
    const repo = await repository()
    const slip = await errorOf(() => acceptRecoveryIdentity(mistype(repo.recovery.body, [21]).text, repo))
    expect(slip.message).toMatch(/in group 6\.$/)
    expect((slip as RefusedIdentity).correction?.identity.reveal()).toBe(repo.recovery.identity.reveal())
    const other = await errorOf(() => acceptRecoveryIdentity(mistype(repo.host.body, [21]).text, repo))
    expect((other as RefusedIdentity).correction).toBeUndefined()
  })
})

describe('.sops.yaml', () => {
  it('is read as it is written', async () => {
    const repo = await repository()
    expect(await readRecipients(repo.sopsYaml)).toEqual(repo.roles)
    expect(await recipientsOfFile(repo.secretsFile)).toEqual(repo.roles.map(({ recipient }) => recipient))
  })

  it('is refused when it cannot be trusted', async () => {
    const repo = await repository()
    const good = await readFile(repo.sopsYaml, 'utf8')
    const cases: [string, RegExp][] = [
      [good.replace(/^ {4}recovery:.*\n/m, ''), /not valid|missing|Unresolved|recovery/],
      [good.replace('*host, ', ''), /does not list exactly.*host/],
      [good.replace('*host, ', `*host, ${repo.stranger.recipient}, `), /does not list exactly/],
      [good.replace(/(path_regex: ).*/, '$1.*'), /one creation rule/],
      [good.replace(/ops/g, 'Ops!'), /cannot be a role|not valid|Unresolved/],
      [good.replace(repo.operator.recipient, repo.host.recipient), /same recipient/],
      [good.replace(repo.operator.recipient, `${repo.operator.recipient.slice(0, -1)}1`), /recipient of ops/],
      ['recipients: [', /not valid YAML/],
      ['creation_rules: []', /recipients/],
    ]
    for (const [text, expected] of cases) {
      expect(text).not.toBe(good)
      await writeFile(repo.sopsYaml, text)
      await expect(readRecipients(repo.sopsYaml), text).rejects.toThrow(expected)
    }
  })

  it('is missed with the remedy', async () => {
    await expect(readRecipients('/nonexistent/.sops.yaml')).rejects.toThrow(/is missing\. Make it with/)
    await expect(readSecrets('/nonexistent/x', key.identity)).rejects.toThrow(/is missing\. Make it with/)
  })
})
