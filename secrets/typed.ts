import { ALPHABET } from './bech32.ts'
import type { TypedSymbol } from './repair.ts'

/** Characters of an age identity after `AGE-SECRET-KEY-1`, checksum included. */
export const BODY_LENGTH = 58
/** The paper shows the body in groups of this many characters, numbered from 1. */
export const GROUP_SIZE = 4

const PREFIX = 'AGESECRETKEY1'
/** What people read where no key has such a letter. */
const LOOKALIKES = new Map([
  ['O', '0'],
  ['B', '8'],
  ['I', 'L'],
  ['1', 'L'],
])

/**
 * The body of an identity as it was typed or scanned: blanks and dashes dropped, case ignored, prefix optional,
 * lookalikes read as the letter they resemble, `undefined` where a character cannot belong to a key (or is `?`).
 */
export function symbolsOf(typed: string): TypedSymbol[] {
  const text = typed.replace(/[\s\p{Pd}_]/gu, '').toUpperCase()
  return [...withoutPrefix(text)].map((letter) => {
    const symbol = ALPHABET.indexOf((LOOKALIKES.get(letter) ?? letter).toLowerCase())
    return symbol === -1 ? undefined : symbol
  })
}

/** Takes off the prefix, also with a slip in it or with dashes that a scanner on a wrong keyboard layout mangled. */
function withoutPrefix(text: string): string {
  const head = text.slice(0, text.indexOf('1') + 1)
  if (head.length <= 20 && /^AGE|SECRET|KE[YZ]/.test(head)) return text.slice(head.length)
  const differing = [...PREFIX].filter((letter, index) => letter !== text[index]).length
  return differing <= 3 ? text.slice(PREFIX.length) : text
}

const Y = ALPHABET.indexOf('y')
const Z = ALPHABET.indexOf('z')

/** The same key strokes on the other of a QWERTY and a QWERTZ keyboard: the classic mistake of a scanner. */
export function otherLayout(symbols: readonly TypedSymbol[]): TypedSymbol[] {
  return symbols.map((symbol) => (symbol === Y ? Z : symbol === Z ? Y : symbol))
}

/** Numbers of the printed groups that hold these places. */
export function groupsOf(positions: readonly number[]): number[] {
  return [...new Set(positions.map((position) => Math.floor(position / GROUP_SIZE) + 1))]
}

/** The groups as printed: 14 of four characters and one of two. */
export function printedGroups(body: string): string[] {
  return body.match(new RegExp(`.{1,${GROUP_SIZE}}`, 'g')) ?? []
}
