import { hasZeroPadding } from './bech32.ts'
import { combinations } from './syndromes.ts'

/** One symbol of a key, or `undefined` where it could not be read. */
export type TypedSymbol = number | undefined

export interface KeyShape {
  /** symbols of a right key */
  readonly length: number
  /** 0 when the checksum fits */
  syndrome(symbols: readonly number[]): number
  /** The last word: is this the key? Asked for the few candidates whose checksum fits. */
  accepts(symbols: readonly number[]): Promise<boolean>
}

export interface Repair {
  readonly symbols: readonly number[]
  /** places of the right key that were mistyped, counted from 0 */
  readonly positions: readonly number[]
}

/** A reading of what was typed that has the right length. */
interface Reading {
  readonly symbols: readonly TypedSymbol[]
  /** where a symbol was left out or typed too many */
  readonly slip?: number
}

/** How many wrong symbols are looked for, by the number of unreadable ones. One more would take minutes. */
const MOST_WRONG = [4, 2, 2, 2, 2, 1, 0]

/**
 * Finds the right key near a mistyped one: up to four wrong symbols, or fewer when some are unreadable (at most six),
 * one is missing or one too many. The checksum narrows millions of candidates down to a few hundred; `accepts` decides.
 */
export async function repair(
  typed: readonly TypedSymbol[],
  shape: KeyShape,
  mostWrong = 4,
): Promise<Repair | undefined> {
  const readings = readingsOf(typed, shape.length)
  for (let wrong = 0; wrong <= Math.min(mostWrong, readings.length > 1 ? 1 : 4); wrong++) {
    for (const reading of readings) {
      const found = await search(reading, wrong, shape)
      if (found) return found
    }
  }
  return undefined
}

function readingsOf(typed: readonly TypedSymbol[], length: number): Reading[] {
  if (typed.length === length) return [{ symbols: typed }]
  if (typed.length === length - 1) {
    return Array.from({ length }, (_, slip) => ({ symbols: typed.toSpliced(slip, 0, undefined), slip }))
  }
  if (typed.length === length + 1) {
    return typed.map((_, slip) => ({ symbols: typed.toSpliced(slip, 1), slip: Math.min(slip, length - 1) }))
  }
  return []
}

async function search(reading: Reading, wrong: number, shape: KeyShape): Promise<Repair | undefined> {
  const gaps = reading.symbols.flatMap((symbol, position) => (symbol === undefined ? [position] : []))
  if (wrong > (MOST_WRONG[gaps.length] ?? -1)) return undefined
  const base = reading.symbols.map((symbol) => symbol ?? 0)
  for (const mistakes of combinations(shape.length, wrong, shape.syndrome(base), gaps)) {
    const symbols = [...base]
    for (const { position, delta } of mistakes) symbols[position] = (symbols[position] ?? 0) ^ delta
    if (!hasZeroPadding(symbols) || !(await shape.accepts(symbols))) continue
    const places = [
      ...mistakes.map(({ position }) => position),
      ...gaps,
      ...(reading.slip === undefined ? [] : [reading.slip]),
    ]
    return { symbols, positions: [...new Set(places)].sort((a, b) => a - b) }
  }
  return undefined
}
