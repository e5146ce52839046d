/**
 * The checksum of age keys: a BCH code over GF(32) with six check symbols (BIP 173).
 * A symbol is a number 0..31; symbols are the characters after the separator `1`, checksum included.
 */

export const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'

const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const CHECK_SYMBOLS = 6

/** One step of the division by the code's generator; linear over GF(2) in the remainder. */
export function step(remainder: number, symbol: number): number {
  let next = ((remainder & 0x1ffffff) << 5) ^ symbol
  for (const [bit, term] of GENERATOR.entries()) {
    if ((remainder >>> (25 + bit)) & 1) next ^= term
  }
  return next
}

/** 30-bit syndrome of a key: 0 when the checksum fits. It depends on the errors only, not on the key. */
export function syndrome(prefix: string, symbols: readonly number[]): number {
  const codes = [...prefix.toLowerCase()].map((letter) => letter.charCodeAt(0))
  const expanded = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)]
  return [...expanded, ...symbols].reduce(step, 1) ^ 1
}

/** An age key is 32 bytes in 52 symbols, so the last of them carries four bits that must be zero. */
export function hasZeroPadding(symbols: readonly number[]): boolean {
  return ((symbols[symbols.length - CHECK_SYMBOLS - 1] ?? 0) & 0b1111) === 0
}

/** @param body the characters after the separator, in either case */
export function isValid(prefix: string, body: string): boolean {
  const symbols = [...body.toLowerCase()].map((letter) => ALPHABET.indexOf(letter))
  return !symbols.includes(-1) && syndrome(prefix, symbols) === 0 && hasZeroPadding(symbols)
}
