import { ALPHABET } from '../../../secrets/bech32.ts'
import { dice } from './fixtures.ts'

const LETTERS = ALPHABET.toUpperCase()

/** The body with other characters at these places, and the places' printed groups. */
export function mistype(body: string, places: readonly number[], roll = dice(places.length + 7)) {
  const letters = [...body]
  for (const place of places) {
    const step = 1 + roll(31)
    letters[place] = LETTERS[(LETTERS.indexOf(letters[place] ?? '') + step) % 32] ?? ''
  }
  const groups = [...new Set(places.map((place) => Math.floor(place / 4) + 1))].sort((a, b) => a - b)
  return { text: letters.join(''), groups }
}

/** So many different places in the body of a key. */
export function places(count: number, roll: (limit: number) => number): number[] {
  const chosen = new Set<number>()
  while (chosen.size < count) chosen.add(roll(58))
  return [...chosen]
}
